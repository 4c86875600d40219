/** Links of the cache, which processes of several machines may make at once, and addresses of hubs. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { resolveModel } from '../../src/checkpoint/index.js';
import { temporaryFolder } from '../temporary.js';
import { commit, hubServer, repository } from './hub-server.js';
import { safetensorsBytes } from './safetensors-bytes.js';

const encode = (text: string) => new TextEncoder().encode(text);

test('files are linked beside what a process of another machine with the same number links, under the longest names', async () => {
  const long = `additional_chat_templates/${'n'.repeat(240)}.jinja`;
  const weights = safetensorsBytes({ a: { dtype: 'U8', shape: [1], data_offsets: [0, 1] } }, new Uint8Array(1));
  const files = { 'config.json': encode('{}'), 'model.safetensors': weights, [long]: encode('{{ x }}') };
  const { endpoint } = await hubServer(files);
  const cache = temporaryFolder();
  const snapshot = join(cache, `models--someone--tiny/snapshots/${commit}`);
  const other = join(snapshot, `config.json.${process.pid}.part`);
  mkdirSync(snapshot, { recursive: true });
  writeFileSync(other, '');
  expect(await resolveModel(repository, { cache, endpoint })).toBe(snapshot);
  expect(existsSync(other)).toBe(true);
  expect(readFileSync(join(snapshot, long), 'utf8')).toBe('{{ x }}');
  expect(readdirSync(snapshot).filter((name) => name.endsWith('.part'))).toHaveLength(1);
});

test.each(['hf-mirror.com', 'ftp://hub', 'https://'])('%s is told to be no address of a hub', async (endpoint) => {
  const asked = resolveModel(repository, { cache: temporaryFolder(), endpoint });
  await expect(asked).rejects.toThrow(`${endpoint}: no address of a hub\n  HF_ENDPOINT begins with https://`);
});
