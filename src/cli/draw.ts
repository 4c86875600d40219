/** `quintet draw`: a picture of what a text says, by a model that draws codes or paints by diffusion. */

import { extname } from 'node:path';
import { checkDestination, writeResult } from '../checkpoint/index.js';
import { encodePicture, type Picture } from '../media/index.js';
import {
  asSystem,
  conditionOf,
  drawPicture,
  isLatentDiffusion,
  isSystem,
  load,
  type Model,
  paintPicture,
  sayPicture,
} from '../model/index.js';
import type { LatentDiffusion, System } from '../system/index.js';
import { promptOf } from './arguments.js';
import { UsageError } from './failures.js';
import { interruptible } from './interrupt.js';
import { type GlobalOptions, loadOptions } from './settings.js';
import { note, ProgressLine } from './terminal.js';

export interface DrawCommandOptions extends GlobalOptions {
  readonly output: string;
  readonly guidance?: number;
  readonly seed?: number;
  readonly temperature?: number;
  readonly steps?: number;
  readonly scheduler?: string;
  readonly against?: string;
  /** In pixels; one alone is a square's. */
  readonly height?: number;
  readonly width?: number;
}

/** By the ending of the file that is written. */
const formats = { png: 'png', jpg: 'jpeg', jpeg: 'jpeg', webp: 'webp' } as const;

export async function draw(source: string, text: string, options: DrawCommandOptions): Promise<void> {
  const [prompt, format] = [promptOf(text), formatOf(options.output)];
  await checkDestination(options.output);
  const picture = await interruptible((signal) => pictureOf(source, prompt, { ...options, signal }));
  await writeResult(options.output, await encodePicture(picture, format));
  note(`${options.output}: ${picture.width} x ${picture.height} pixels`);
}

function formatOf(file: string): (typeof formats)[keyof typeof formats] {
  const ending = extname(file).slice(1).toLowerCase();
  if (Object.hasOwn(formats, ending)) return formats[ending as keyof typeof formats];
  const known = Object.keys(formats).join(', .');
  throw new UsageError(`${file}: pictures are written as .${known}, by the ending of the file's name`);
}

async function pictureOf(source: string, prompt: string, options: InterruptibleOptions): Promise<Picture> {
  const line = new ProgressLine();
  const model = await load(source, await loadOptions(options, options.signal));
  try {
    const painting = isLatentDiffusion(model.network) || saysPictures(model);
    refuseOthers(options, painting);
    const show = (done: number, total: number): void => line.show(`${done} of ${total}`, { always: done === total });
    return await (painting ? painted : drawn)(model, prompt, { ...options, show });
  } finally {
    line.clear();
    await model.close();
  }
}

/** Whether a language model says what a generator within it paints. */
const saysPictures = (model: Model): model is Model<System> => isSystem(model) && conditionOf(model) !== undefined;

/** An option that the model has no use for is a mistake in the call. */
function refuseOthers(options: DrawCommandOptions, painting: boolean): void {
  const others = painting
    ? (['temperature'] as const)
    : (['steps', 'scheduler', 'against', 'height', 'width'] as const);
  const given = others.find((name) => options[name] !== undefined);
  if (given === undefined) return;
  throw new UsageError(`--${given} is for models that ${painting ? 'draw code by code' : 'paint by diffusion'}`);
}

interface InterruptibleOptions extends DrawCommandOptions {
  readonly signal: AbortSignal;
}

interface DrawingOptions extends InterruptibleOptions {
  readonly show: (done: number, total: number) => void;
}

function painted(model: Model, prompt: string, options: DrawingOptions): Promise<Picture> {
  const { guidance, seed, steps, scheduler, against, show, signal, width, height } = options;
  const [up, across] = [height ?? width, width ?? height];
  const size = up === undefined || across === undefined ? undefined : ([up, across] as const);
  const settings = {
    ...given({ guidance, seed, steps, scheduler, against, size }),
    onStep: ({ call, calls }: { readonly call: number; readonly calls: number }) => show(call + 1, calls),
    signal,
  };
  if (saysPictures(model)) return sayPicture(model, prompt, settings);
  return paintPicture(model as Model<LatentDiffusion>, prompt, settings);
}

function drawn(model: Model, prompt: string, options: DrawingOptions): Promise<Picture> {
  const { guidance, seed, temperature, show, signal } = options;
  return drawPicture(asSystem(model), prompt, {
    ...given({ guidance, seed, temperature }),
    onProgress: ({ done, total }) => show(done, total),
    signal,
  });
}

/** Without what was not given. */
function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
