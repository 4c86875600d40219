/** `npm run example:browser [-- MODEL [PORT]]`: the page of examples/browser with a model folder, by default the embedded model. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { serveExample } from './server.js';

const inProject = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const embedded = inProject('models/nano');
const usual = existsSync(`${embedded}/model.safetensors`) ? embedded : inProject('test/fixtures/llava/model');

const [model = usual, port = '8080'] = process.argv.slice(2);
const { url } = await serveExample({ port: Number(port), folders: { '/model/': model } });
console.log(`${model} answers at ${url} (Ctrl-C ends)`);
