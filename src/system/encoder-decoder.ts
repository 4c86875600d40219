/**
 * Language models of two halves: an encoder reads, a decoder writes and looks at what the encoder gave.
 *
 * B rows, S tokens read, T tokens written, D width, H heads, G key-value heads, K head width
 */
import { concat, equal, full, input, slice, type Tensor, where } from '../graph/index.js';
import { attend, attendHeads, type Params, paddingMask, splitHeads } from '../nn/index.js';
import type { Backbone, BackboneEncoder, Memory } from '../parts/types.js';
import { ignored, QuintetError } from '../tensor/index.js';
import { fullContext } from './context.js';
import type { InputType, Tensors } from './network.js';
import { tokenLoss } from './objectives/index.js';
import type { Slot } from './system.js';

/** The encoder of a backbone that has one. */
export function encoderOf({ encoder }: Backbone): BackboneEncoder {
  if (encoder) return encoder;
  throw new QuintetError('unsupported', 'this language model has no encoder');
}

/** Labels [B, T] one place to the right, behind the token that begins every answer: what the decoder sees of them. */
export function shiftRight(labels: Tensor, { start, pad }: BackboneEncoder): Tensor {
  const known = where(equal(labels, ignored), pad, labels);
  return concat([full('i64', [labels.dim(0), 1], start), slice(known, 1, 0, -1)], 1);
}

/** What an encoder-decoder takes: it writes L tokens, others than the T that it reads. */
export const writtenInputs: Readonly<Record<string, InputType>> = {
  input_ids: { dtype: 'i64', shape: ['B', 'T'] },
  attention_mask: { dtype: 'i64', shape: ['B', 'T'] },
  decoder_input_ids: { dtype: 'i64', shape: ['B', 'L'] },
  labels: { dtype: 'i64', shape: ['B', 'L'] },
};

interface Reading {
  /** Embeddings [B, T, D], of which `present` [B, T] are real. */
  readonly words: Tensor;
  readonly present: Tensor;
  readonly given: Tensors;
}

/** The states of both halves and the scores behind `decoder_input_ids` or, one place to the right, the labels. */
export function writtenOutputs(
  { part, prefix }: Slot<Backbone>,
  p: Params,
  { words, present, given }: Reading,
): Tensors {
  const encoder = encoderOf(part);
  const at = p.at(prefix);
  const states = encoder.encode(at, words, present);
  const { labels, decoder_input_ids: ids = labels && shiftRight(labels, encoder) } = given;
  if (!ids) return { encoder_last_hidden: states };
  const context = { ...fullContext(full('i64', ids.shape, 1)), memory: stateMemory(states, present) };
  const hidden = part.forward(at, part.embed(at.shared, ids), context);
  const logits = part.logits(at, hidden);
  const outputs = { encoder_last_hidden: states, last_hidden: hidden, logits };
  return labels ? { ...outputs, loss: tokenLoss(logits, labels).mean } : outputs;
}

/** The encoder's states [B, S, D] themselves, of which `present` [B, S] are real. */
export function stateMemory(states: Tensor, present: Tensor): Memory {
  const mask = paddingMask(present);
  return { attend: (_layer, q, read, options) => attend(q, ...read(states), { ...options, mask }) };
}

/** Names of a layer's keys and values of the encoder's states, and which of the states are real. */
export const memoryNames = (layer: number) => [`memory.${layer}.key`, `memory.${layer}.value`] as const;
export const memoryPresent = 'memory.present';

/** Keys and values [B, G, S, K] that were made before, as inputs. */
export function rememberedMemory(): Memory {
  const mask = paddingMask(input(memoryPresent, 'i64', ['B', 'E']));
  return {
    attend(layer, q, _read, { heads, kvHeads, scale }) {
      const shape = ['B', kvHeads, 'E', q.size(-1) / heads];
      const [keys, values] = memoryNames(layer).map((name) => input(name, 'f32', shape)) as [Tensor, Tensor];
      return attendHeads(splitHeads(q, heads), keys, values, { mask, ...(scale === undefined ? {} : { scale }) });
    },
  };
}

/** What `rememberedMemory` is fed, by name: the keys and values that a decoder's layers make of states [B, S, D]. */
export function makeMemory(backbone: Backbone, p: Params, states: Tensor): Tensors {
  const outputs: Record<string, Tensor> = {};
  const memory: Memory = {
    attend(layer, q, read, { kvHeads }) {
      const made = read(states).map((x) => splitHeads(x, kvHeads));
      for (const [i, name] of memoryNames(layer).entries()) outputs[name] = made[i] as Tensor;
      return q;
    },
  };
  // The decoder runs over nothing, only to be asked what it would read: what it makes of its own words is left out.
  const nothing = full('f32', [states.dim(0), 1, backbone.width], 0);
  const positions = full('i64', [states.dim(0), 1], 0);
  backbone.forward(p, nothing, { positions, attend: (_layer, q) => q, memory });
  return outputs;
}
