// One upload over the WebSocket as a pure machine: events in, actions out. It never sends more than the server's
// window beyond the last acknowledgement, and starts over when the connection was lost.

export type UploadPhase = 'waiting' | 'beginning' | 'sending' | 'finishing' | 'done' | 'failed';

export interface Upload {
  phase: UploadPhase;
  size: number;
  number: number; // the server's name for it in binary frames
  chunkBytes: number;
  windowBytes: number;
  sent: number;
  received: number;
}

export type UploadEvent =
  | { type: 'connected' }
  | { type: 'disconnected' }
  | { type: 'ready'; number: number; chunkBytes: number; windowBytes: number }
  | { type: 'ack'; received: number }
  | { type: 'uploaded' }
  | { type: 'refused' };

export type UploadAction = { type: 'begin' } | { type: 'chunk'; from: number; to: number } | { type: 'end' };

export function newUpload(size: number): Upload {
  return { phase: 'waiting', size, number: 0, chunkBytes: 0, windowBytes: 0, sent: 0, received: 0 };
}

export function uploadIsOpen(upload: Upload): boolean {
  return upload.phase !== 'done' && upload.phase !== 'failed';
}

function fill(upload: Upload): { upload: Upload; actions: UploadAction[] } {
  const actions: UploadAction[] = [];
  let sent = upload.sent;
  while (sent < upload.size && sent < upload.received + upload.windowBytes) {
    const to = Math.min(upload.size, sent + upload.chunkBytes, upload.received + upload.windowBytes);
    actions.push({ type: 'chunk', from: sent, to });
    sent = to;
  }
  if (sent < upload.size) return { upload: { ...upload, sent }, actions };
  actions.push({ type: 'end' });
  return { upload: { ...upload, sent, phase: 'finishing' }, actions };
}

export function uploadStep(upload: Upload, event: UploadEvent): { upload: Upload; actions: UploadAction[] } {
  if (!uploadIsOpen(upload)) return { upload, actions: [] };
  switch (event.type) {
    case 'connected':
      return { upload: { ...newUpload(upload.size), phase: 'beginning' }, actions: [{ type: 'begin' }] };
    case 'disconnected':
      return { upload: newUpload(upload.size), actions: [] };
    case 'ready':
      if (upload.phase !== 'beginning') return { upload, actions: [] };
      return fill({
        ...upload,
        phase: 'sending',
        number: event.number,
        chunkBytes: Math.max(1, event.chunkBytes),
        windowBytes: Math.max(1, event.windowBytes),
      });
    case 'ack': {
      const received = Math.max(upload.received, Math.min(event.received, upload.sent));
      if (upload.phase !== 'sending') return { upload: { ...upload, received }, actions: [] };
      return fill({ ...upload, received });
    }
    case 'uploaded':
      return { upload: { ...upload, phase: 'done', received: upload.size }, actions: [] };
    case 'refused':
      return { upload: { ...upload, phase: 'failed' }, actions: [] };
  }
}
