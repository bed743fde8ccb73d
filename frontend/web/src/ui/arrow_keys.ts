// Arrow keys, Home and End move the focus among the children of a list that carry data-row.

export function arrowKeys(list: HTMLElement): { destroy(): void } {
  const onKey = (event: KeyboardEvent): void => {
    const rows = [...list.querySelectorAll<HTMLElement>('[data-row]')];
    const at = rows.findIndex((row) => row === document.activeElement);
    if (at === -1) return;
    const target = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    rows[Math.max(0, Math.min(rows.length - 1, target))]?.focus();
  };
  list.addEventListener('keydown', onKey);
  return { destroy: () => list.removeEventListener('keydown', onKey) };
}
