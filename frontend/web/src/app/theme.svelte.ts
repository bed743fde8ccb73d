// Light, dark or as the system says; public/theme.js applies the stored choice before the first paint.

export type ThemeChoice = 'system' | 'light' | 'dark';

const kKey = 'answermill.theme';

export class Theme {
  choice = $state<ThemeChoice>((localStorage.getItem(kKey) as ThemeChoice | null) ?? 'system');

  next(): void {
    const order: ThemeChoice[] = ['system', 'light', 'dark'];
    this.choice = order[(order.indexOf(this.choice) + 1) % order.length] as ThemeChoice;
    localStorage.setItem(kKey, this.choice);
    if (this.choice === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.choice;
  }
}
