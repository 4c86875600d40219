/** What a user waits for in a conversation, and what else the program can do meanwhile. */

import { join } from 'node:path';
import type { Benchmark, Contender, Settings } from '../harness/benchmark.js';
import { projectFolder } from '../harness/paths.js';
import { height, sampleAsPhotograph, width } from '../harness/photographs.js';
import { packedFolder } from './language.js';

function smol(name: string, weights: Settings['weights']): Contender {
  return {
    name: `Quintet smol, ${name}`,
    program: 'quintet-talk',
    settings: { path: join(projectFolder, 'models', 'smol'), threads: 2, ...(weights ? { weights } : {}) },
    environment: { QUINTET_CACHE: packedFolder },
  };
}

const time = (name: string) => ({ name, unit: 'ms', better: 'less' }) as const;
const ratio = (name: string) => ({ name, unit: '', better: 'less' }) as const;

export const talk: Benchmark = {
  name: 'talk',
  title: 'Talk',
  about:
    'smol, which without a picture is SmolLM2-135M-Instruct, 2 threads, each time in a process of its own that has answered ' +
    'nothing before; files lie in memory. Text: milliseconds until the first token of an answer to 1000 tokens, and to ' +
    'another question behind the same ones. Picture: from a JPEG file of ' +
    `${width} x ${height} until the first token of an answer about it, after one about another picture; ` +
    'of the next one in this conversation; and of the first in another conversation, which reads the file again. Pauses: ' +
    'the longest time between two turns of the event loop, by perf_hooks.monitorEventLoopDelay every millisecond, which is ' +
    'a part of it, without real-time priority: while sessions are opened and the decoder of pictures is loaded, which is ' +
    'done once; while 48 tokens are written behind the long text; by a JSON schema; while two pictures are asked about; ' +
    'while what was read is copied for another conversation.',
  contenders: [smol('Q4_1', undefined), smol('Q4_1 int4', 'int4'), smol('f32', 'f32')],
  measures: [
    ...[time('text'), time('text, second'), ratio('second / first')],
    ...[time('picture'), time('picture, second'), ratio('second / first picture')],
    ...[time('picture, elsewhere'), ratio('elsewhere / first picture')],
    ...['opening', 'writing', 'JSON', 'pictures', 'copying'].map((what) => time(`pause, ${what}`)),
  ],
  pairs: [],
  realtime: false,
  turn: {
    kind: 'fresh',
    async take(contender, start) {
      const pictures = [await sampleAsPhotograph('scene.png'), await sampleAsPhotograph('cat.jpg')] as const;
      const child = start(contender);
      try {
        await child.ask('prepare', contender);
        await child.ask('open', {});
        const { text, picture, pauses } = await child.ask('talk', { pictures });
        return {
          text: text.first,
          'text, second': text.second,
          'second / first': text.second / text.first,
          picture: picture.first,
          'picture, second': picture.second,
          'second / first picture': picture.second / picture.first,
          'picture, elsewhere': picture.elsewhere,
          'elsewhere / first picture': picture.elsewhere / picture.first,
          ...Object.fromEntries(Object.entries(pauses).map(([what, pause]) => [`pause, ${what}`, pause])),
        };
      } finally {
        await child.stop();
      }
    },
  },
};
