import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newUpload, type Upload, type UploadAction, type UploadEvent, uploadStep } from '../../../frontend/web/src/state/upload.ts';

const kReady: UploadEvent = { type: 'ready', number: 7, chunkBytes: 10, windowBytes: 25 };

function play(size: number, events: readonly UploadEvent[]): { upload: Upload; actions: UploadAction[] } {
  let upload = newUpload(size);
  const actions: UploadAction[] = [];
  for (const event of events) {
    const step = uploadStep(upload, event);
    upload = step.upload;
    actions.push(...step.actions);
  }
  return { upload, actions };
}

test('never more than the window is in flight', () => {
  let upload = play(1000, [{ type: 'connected' }, kReady]).upload;
  assert.equal(upload.sent, 25);
  for (let received = 5; upload.phase === 'sending'; received += 5) {
    upload = uploadStep(upload, { type: 'ack', received }).upload;
    assert.ok(upload.sent - upload.received <= 25);
  }
  assert.equal(upload.sent, 1000);
  assert.equal(upload.phase, 'finishing');
});

test('chunks cover the file once, in order', () => {
  const acks = Array.from({ length: 40 }, (_, i): UploadEvent => ({ type: 'ack', received: i * 3 }));
  const { actions } = play(93, [{ type: 'connected' }, kReady, ...acks]);
  let at = 0;
  for (const action of actions) {
    if (action.type !== 'chunk') continue;
    assert.equal(action.from, at);
    assert.ok(action.to - action.from <= 10);
    at = action.to;
  }
  assert.equal(at, 93);
  assert.equal(actions[actions.length - 1]?.type, 'end');
});

test('an empty file is begun and ended', () => {
  const { upload, actions } = play(0, [{ type: 'connected' }, kReady, { type: 'uploaded' }]);
  assert.deepEqual(actions.map((action) => action.type), ['begin', 'end']);
  assert.equal(upload.phase, 'done');
});

test('a lost connection starts it over', () => {
  const { upload, actions } = play(30, [{ type: 'connected' }, kReady, { type: 'disconnected' }, { type: 'connected' }]);
  assert.equal(upload.sent, 0);
  assert.equal(actions.filter((action) => action.type === 'begin').length, 2);
});

test('an acknowledgement beyond what was sent is not believed', () => {
  const { upload } = play(1000, [{ type: 'connected' }, kReady, { type: 'ack', received: 900 }]);
  assert.equal(upload.received, 25);
  assert.equal(upload.sent, 50);
});

test('after a refusal nothing more happens', () => {
  const { upload, actions } = play(30, [{ type: 'connected' }, { type: 'refused' }, kReady, { type: 'connected' }]);
  assert.equal(upload.phase, 'failed');
  assert.equal(actions.length, 1);
});
