/**
 * Captioned pictures for systems that say which picture a generator paints: a caption's tokens with the signal tokens behind
 * them, and the caption as the generator's own encoder reads it.
 *
 * Koh et al., "Generating Images with Multimodal Language Models", 2023, section 3, https://arxiv.org/abs/2305.17216
 */
import { captionOf, type LabelledTokens, type Sample } from '../data/index.js';
import { captionReader, conditionOf, generatorTokenizerOf, type Model, type Processor } from '../model/index.js';
import type { HostArrays, PictureCondition, System } from '../system/index.js';
import { ignored } from '../tensor/index.js';

/** What a sample says besides: the caption, and it with the signals, which alone are learnt. */
export interface SaidPicture extends LabelledTokens {
  readonly caption: string;
}

export interface SaidPictures {
  /** In at most this many tokens. */
  say(sample: Sample, longest: number): SaidPicture;
  /** `caption_ids` [C, L] */
  captions(said: readonly SaidPicture[]): HostArrays;
}

/** How a system's samples say pictures; undefined for a system that paints none. */
export function saidPictures(model: Model<System>, processor: Processor): SaidPictures | undefined {
  const output = conditionOf(model);
  if (!output) return undefined;
  const read = captionReader(generatorTokenizerOf(model), output.generator.part);
  return {
    say: (sample, longest) => say(sample, output, { processor, longest }),
    captions: (said) => ({ caption_ids: read(said.map(({ caption }) => caption)) }),
  };
}

function say(
  sample: Sample,
  { tokens }: PictureCondition,
  { processor, longest }: { readonly processor: Processor; readonly longest: number },
): SaidPicture {
  const caption = captionOf(sample);
  const all = processor.encode(processor.render([{ role: 'user', content: caption }], { prompt: false }), []);
  const words = all.slice(0, longest - tokens.length);
  return { caption, ids: [...words, ...tokens], labels: [...words.map(() => ignored), ...tokens] };
}
