import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectionToShow, mayCreateCollections, rightsOf } from '../../../frontend/web/src/state/rights.ts';

const access = (scopes: string[], collections: string[] = []) => ({ token: 'ci', scopes, collections });

test('a token may what its scopes say, and nothing is offered before the server has said it', () => {
  assert.deepEqual(rightsOf(access(['read'])), { read: true, ask: false, write: false, admin: false, collections: [] });
  assert.equal(rightsOf(access(['read', 'ask', 'write', 'admin'])).admin, true);
  assert.equal(rightsOf(undefined).write, false);
});

test('only who reaches all collections makes new ones', () => {
  assert.equal(mayCreateCollections(rightsOf(access(['read', 'write']))), true);
  assert.equal(mayCreateCollections(rightsOf(access(['read', 'write'], ['law']))), false);
  assert.equal(mayCreateCollections(rightsOf(access(['read', 'ask']))), false);
});

test('the collection shown is one there is', () => {
  assert.equal(collectionToShow('law', ['default', 'law']), 'law');
  assert.equal(collectionToShow('gone', ['art', 'default']), 'default');
  assert.equal(collectionToShow('default', ['law', 'music']), 'law');
  assert.equal(collectionToShow('default', []), 'default');
});
