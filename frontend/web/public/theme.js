// Runs before the first paint: a stored choice of theme must not flash the other one.
try {
  const theme = localStorage.getItem('answermill.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is switched off; the system's theme applies.
}
