// Short messages: toasts for the eye, one polite live region for the ear.

export interface Toast {
  id: number;
  text: string;
  kind: 'info' | 'error';
}

const kToastMs = 6000;

export class Notices {
  toasts = $state<Toast[]>([]);
  announcement = $state('');
  private next = 1;

  show(text: string, kind: Toast['kind'] = 'info'): void {
    const id = this.next++;
    this.toasts = [...this.toasts.slice(-2), { id, text, kind }];
    this.announce(text);
    window.setTimeout(() => this.dismiss(id), kToastMs);
  }

  dismiss(id: number): void {
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
  }

  announce(text: string): void {
    this.announcement = text;
  }
}
