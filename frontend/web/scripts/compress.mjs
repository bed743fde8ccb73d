// Writes NAME.gz and NAME.br beside every text file of a built page, for the server to send as they are.
// Usage: node compress.mjs FOLDER
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const kText = /\.(html|js|css|svg|json|txt|webmanifest)$/;
const kWorthwhileBytes = 512;

function* filesIn(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* filesIn(path);
    else yield path;
  }
}

const folder = process.argv[2];
if (folder === undefined) {
  console.error('usage: node compress.mjs FOLDER');
  process.exit(2);
}
for (const path of filesIn(folder)) {
  if (!kText.test(path)) continue;
  const bytes = readFileSync(path);
  if (bytes.length < kWorthwhileBytes) continue;
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  const packed = { gz: gzipSync(bytes, { level: 9 }), br: brotliCompressSync(bytes, { params }) };
  for (const [extension, data] of Object.entries(packed)) {
    if (data.length < bytes.length) writeFileSync(`${path}.${extension}`, data);
  }
}
