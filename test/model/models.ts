/** Models for the tests of this folder: fixtures with changed configurations, and engines that remember what they ran. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { asSystem, load, type Model } from '../../src/model/index.js';
import type { Engine } from '../../src/runtime/engine.js';
import type { HostArrays, System } from '../../src/system/index.js';
import { engine, fixturePath } from '../fixture.js';
import { temporaryFolder } from '../temporary.js';

/** A copy of a fixture's model in a folder of its own, which lasts as long as the test. */
export function copyOfModel(name: string): string {
  const folder = temporaryFolder();
  cpSync(`${fixturePath(name)}/model`, folder, { recursive: true });
  return folder;
}

type Json = Readonly<Record<string, unknown>>;

/** The files of a fixture with another `config.json`, freshly initialised from seed 1. Closed when the test ends. */
export async function changedModel(
  name: string,
  change: (config: Json) => Json,
  by: Engine = engine,
): Promise<Model<System>> {
  const folder = copyOfModel(name);
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Json;
  writeFileSync(join(folder, 'config.json'), JSON.stringify(change(config)));
  const model = asSystem(await load(folder, { engine: by, fresh: 1 }));
  onTestFinished(() => model.close());
  return model;
}

/** A LLaVA whose cache is held in place: its heads are 8 wide. */
export const llavaInPlace = (by: Engine = engine): Promise<Model<System>> =>
  changedModel(
    'llava',
    (config) => ({
      ...config,
      text_config: { ...(config.text_config as Json), head_dim: 8, max_position_embeddings: 512 },
    }),
    by,
  );

export interface Run {
  readonly session: string;
  readonly feeds: HostArrays;
}

/** The engine, and what its sessions are given to compute from now on. */
export function recorded(): { readonly engine: Engine; readonly runs: Run[] } {
  const runs: Run[] = [];
  const recording: Engine = {
    ...engine,
    async createSession(model, options) {
      const session = await engine.createSession(model, options);
      return {
        inputs: session.inputs,
        outputs: session.outputs,
        run(feeds, settings) {
          runs.push({ session: model.name, feeds });
          return session.run(feeds, settings);
        },
        close: () => session.close(),
      };
    },
  };
  return { engine: recording, runs };
}

/** The number of tokens of each run of a language session. */
export function tokensRun(runs: readonly Run[]): number[] {
  return runs.filter(({ session }) => session.endsWith('language')).map(({ feeds }) => feeds.ids?.shape[1] as number);
}
