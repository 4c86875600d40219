/**
 * A multimodal language model as data: slots for the parts, what lies between them, and the stages it is trained in.
 *
 * B rows, T tokens, M pictures, N features a picture, D backbone width, V vocabulary
 */
import {
  cast,
  concat,
  cumSum,
  div,
  equal,
  flatten,
  gather,
  maximum,
  reshape,
  slice,
  sub,
  type Tensor,
  unsqueeze,
  where,
} from '../graph/index.js';
import type { Glob, Params } from '../nn/index.js';
import type { Backbone, Context, Encoder, InputProjector } from '../parts/types.js';
import { type Dim, formatShape, productOf, QuintetError } from '../tensor/index.js';
import { fullContext } from './context.js';
import { writtenInputs, writtenOutputs } from './encoder-decoder.js';
import type { ImagePrompt } from './image-prompt.js';
import type { HostArrays, InputType, Network, Renames, Tensors } from './network.js';
import { balanceOf, nextTokenLoss, withBalance } from './objectives/index.js';
import { behind, codeInputs, codeOutputs, codeScores, type PictureCodes } from './picture-codes.js';
import { conditionInputs, conditionOutputs, type PictureCondition } from './picture-conditions.js';
import type { Stage } from './stage.js';
import { behindKeys, behindWords, type Text, type VirtualTokens } from './virtual-tokens.js';

/** A part in its place: under which prefix the checkpoint holds it, and which published weights it starts from. */
export interface Slot<Part> {
  readonly part: Part;
  readonly prefix: string;
  readonly from?: string;
}

export function slot<Part>(part: Part, { prefix, from }: { prefix: string; from?: string }): Slot<Part> {
  return from === undefined ? { part, prefix } : { part, prefix, from };
}

export interface ImageInput {
  readonly encoder: Slot<Encoder>;
  readonly projector: Slot<InputProjector>;
  /** The id that stands where a feature goes. */
  readonly token: number;
  /** The text by which a rendered chat stands for a picture, and what stands there for the backbone instead. */
  readonly prompt: ImagePrompt;
  /** Further tensors that the encoder takes, besides `pixel_values`. */
  readonly inputs?: Readonly<Record<string, InputType>>;
  /** What the encoder is fed for the arguments as Hugging Face has them. */
  prepare?(feeds: HostArrays): HostArrays;
  /** Whether it has learnt of one picture a conversation: what was said before the newest one is not read; default false. */
  readonly single?: boolean;
  /** Whether `image_features` are reported as rows [M·N, D], not a picture each [M, N, D]. */
  readonly rows?: boolean;
}

/** How a system gives pictures. */
export type ImageOutput = PictureCodes | PictureCondition;

export interface SystemParts {
  readonly name: string;
  readonly paper?: string;
  readonly inputs?: { readonly image?: ImageInput };
  readonly outputs?: { readonly image?: ImageOutput };
  readonly backbone: Slot<Backbone>;
  readonly stages?: readonly Stage[];
  readonly renames?: readonly Renames[];
  readonly buffers?: readonly Glob[];
}

/** A system of up to five parts around a language model. */
export interface System extends Network {
  readonly kind: 'system';
  readonly image?: ImageInput;
  readonly outputs: { readonly image?: ImageOutput };
  readonly backbone: Slot<Backbone>;
  readonly stages: readonly Stage[];
  /** What learns before every text. */
  readonly virtual?: VirtualTokens;
  /** Attention with something more, in the root scope. */
  readonly attention?: (p: Params, context: Context) => Context;
  /** The system without either. */
  readonly plain?: System;
}

const tokens: Readonly<Record<string, InputType>> = {
  input_ids: { dtype: 'i64', shape: ['B', 'T'] },
  attention_mask: { dtype: 'i64', shape: ['B', 'T'] },
  labels: { dtype: 'i64', shape: ['B', 'T'] },
  position_ids: { dtype: 'i64', shape: ['B', 'T'] },
};

export function system({
  name,
  paper,
  inputs = {},
  outputs = {},
  backbone,
  stages = [],
  renames = [],
  buffers = [],
}: SystemParts): System {
  const { image } = inputs;
  const slots: Slot<{ readonly buffers?: readonly Glob[] }>[] = image ? [image.encoder, backbone] : [backbone];
  const result: System = {
    kind: 'system',
    name,
    ...(paper === undefined ? {} : { paper }),
    ...(image ? { image } : {}),
    ...(image?.prepare ? { prepare: image.prepare } : {}),
    outputs,
    backbone,
    stages,
    renames,
    buffers: [
      ...buffers,
      ...(outputs.image?.kind === 'condition' ? outputs.image.buffers : []),
      ...slots.flatMap(({ part, prefix }) => (part.buffers ?? []).map((glob) => (prefix ? `${prefix}.${glob}` : glob))),
    ],
    ...(backbone.part.encoder ? { ownPlaces: true } : {}),
    inputs: {
      ...(backbone.part.encoder ? writtenInputs : tokens),
      ...pictureInputs({ image }),
      ...inputsOf(outputs.image),
    },
    forward: (p, given) => forward(result, p, given),
  };
  return result;
}

/** A system with something put before its text or around its attention. */
export function surrounded(system: System, what: Pick<System, 'virtual' | 'attention'>): System {
  const { plain = system } = system;
  const result: System = { ...system, ...what, plain, forward: (p, given) => forward(result, p, given) };
  return result;
}

/** A system with another language model in its place. */
export function withBackbone(system: System, part: Backbone): System {
  const backbone = { ...system.backbone, part };
  const result: System = { ...system, backbone, forward: (p, given) => forward(result, p, given) };
  return result;
}

/** A network without what adapters put around it. */
export const plainOf = (network: Network): Network => (isSystem(network) ? (network.plain ?? network) : network);

/** What the encoder of pictures takes; nothing where a system has none. */
export function pictureInputs({ image }: { readonly image?: ImageInput | undefined }): Record<string, InputType> {
  if (!image) return {};
  const size = image.encoder.part.image;
  return { pixel_values: { dtype: 'f32', shape: ['M', 3, size, size] }, ...image.inputs };
}

function inputsOf(output: ImageOutput | undefined): Record<string, InputType> {
  if (!output) return {};
  return output.kind === 'codes' ? codeInputs(output) : conditionInputs(output);
}

export function isSystem(network: Network): network is System {
  return 'kind' in network && network.kind === 'system';
}

function forward(model: System, p: Params, given: Tensors): Tensors {
  const { image, backbone } = model;
  const { input_ids: ids, attention_mask: present, labels, pixel_values: pixels } = given;
  const { image: drawing } = model.outputs;
  const codes = drawing?.kind === 'codes' ? drawing : undefined;
  const outputs: Record<string, Tensor> = codes ? codeOutputs(codes, p, given, backbone.part.width) : {};
  const seen = image && (pixels ?? given.encoder_states) ? encoderStates(model, p, given) : undefined;
  const features = given.projected_states ?? (seen && projected(model, p, seen));
  if (features && image) outputs.image_features = image.rows ? flatten(features, 0, 1) : features;
  if (!ids) return outputs;
  if (!present) throw new QuintetError('name', 'input_ids need an attention_mask', { at: model.name });
  const text = { words: embed(model, p, ids, features && flatten(features, 0, 1)), present, labels };
  if (backbone.part.encoder) return { ...outputs, ...writtenOutputs(backbone, p, { ...text, given }) };
  if (model.virtual?.as === 'words') return { ...outputs, ...readText(model, p, behindWords(p, model.virtual, text)) };
  const { words } = text;
  const drawn = outputs.generation_embeddings;
  const [embeddings, all] = drawn ? behind(words, drawn, present) : [words, present];
  const at = p.at(backbone.prefix);
  const { hidden, ...routed } = read(model, p, embeddings, {
    ...{ present: all, context: contextOf(model, p, all, drawn ? undefined : given.position_ids) },
  });
  Object.assign(outputs, routed);
  outputs.last_hidden = drawn ? slice(hidden, 1, 0, ids.dim(1)) : hidden;
  if (codes) Object.assign(outputs, codeScores(codes, p, hidden, outputs.last_hidden));
  if (drawing?.kind === 'condition') {
    Object.assign(outputs, conditionOutputs(drawing, p, { ids, hidden: outputs.last_hidden, words, seen }, given));
  }
  outputs.logits = backbone.part.logits(at, outputs.last_hidden);
  if (labels) outputs.loss = textLoss(model, outputs, labels);
  return outputs;
}

/** Next-token loss of `logits`, with the weight that the backbone's configuration gives to the balance of experts. */
function textLoss({ backbone }: System, { logits, aux_loss: uneven }: Tensors, labels: Tensor): Tensor {
  const alone = nextTokenLoss(logits as Tensor, labels);
  const { total, targets } = uneven ? withBalance(alone, uneven, backbone.part.experts?.balance ?? 0) : alone;
  return div(total, targets);
}

interface Reading {
  readonly context: Context;
  /** [B, T] */
  readonly present: Tensor;
}

/**
 * Embeddings [B, T, D] through the backbone: hidden states and, where it has X experts, `router_logits` [L, B·T, X] of its L
 * layers and how unevenly they are asked, `aux_loss`, as transformers calls them.
 */
function read({ backbone }: System, p: Params, embeddings: Tensor, { context, present }: Reading) {
  const { part, prefix } = backbone;
  const routed: Tensor[] = [];
  const onRouted: Context['onRouted'] = (layer, scores) => {
    routed[layer] = flatten(scores, 0, 1);
  };
  const hidden = part.forward(p.at(prefix), embeddings, { ...context, onRouted });
  if (!part.experts) return { hidden };
  return {
    hidden,
    router_logits: concat(
      routed.map((scores) => unsqueeze(scores, 0)),
      0,
    ),
    aux_loss: balanceOf(routed, part.experts, present),
  };
}

/** What a text [B, T] gives, with its labels. */
function readText(model: System, p: Params, { words, present, labels }: Text): Tensors {
  const { part, prefix } = model.backbone;
  const { hidden, ...routed } = read(model, p, words, { present, context: contextOf(model, p, present) });
  const logits = part.logits(p.at(prefix), hidden);
  const outputs = { last_hidden: hidden, logits, ...routed };
  return labels ? { ...outputs, labels, loss: textLoss(model, outputs, labels) } : outputs;
}

/** Attention over the whole of a text, of which `present` [B, T] is real. */
function contextOf({ backbone, virtual, attention }: System, p: Params, present: Tensor, positions?: Tensor): Context {
  const { depth } = backbone.part;
  const context =
    virtual?.as === 'keys' ? behindKeys(p, { depth, virtual }, present, positions) : fullContext(present, positions);
  return attention ? attention(p, context) : context;
}

/** Pictures through the encoder and the projector: [M, 3, height, width] -> [M, N, D]; as `projected_states` where known. */
export function imageFeatures(model: System, p: Params, given: Tensors): Tensor {
  return given.projected_states ?? projected(model, p, encoderStates(model, p, given));
}

/** Pictures through the encoder: [M, 3, height, width] -> [M, P, E]; as `encoder_states` where they are known. */
export function encoderStates(model: System, p: Params, given: Tensors): Tensor {
  if (given.encoder_states) return given.encoder_states;
  const { part, prefix } = imageOf(model).encoder;
  return part.forward(p.at(prefix), given.pixel_values as Tensor, given);
}

/** [M, P, E] -> [M, N, D] */
function projected(model: System, p: Params, features: Tensor): Tensor {
  const { part, prefix } = imageOf(model).projector;
  return part.forward(p.at(prefix), features, model.backbone.part.width);
}

function imageOf({ image, name }: System): ImageInput {
  if (image) return image;
  throw new QuintetError('unsupported', 'this system takes no pictures', { at: name });
}

/** Ids [B, T] -> embeddings [B, T, D], with features [F, D] in order where the image token stands. */
export function embed({ image, backbone }: System, p: Params, ids: Tensor, features?: Tensor): Tensor {
  const embeddings = backbone.part.embed(p.at(backbone.prefix), ids);
  return features && image ? splice(embeddings, equal(ids, image.token), features) : embeddings;
}

/** Features [F, D] in order in place of the embeddings [B, T, D] that `marked` [B, T] points at. */
export function splice(embeddings: Tensor, marked: Tensor, features: Tensor): Tensor {
  const [rows, length, width] = embeddings.shape as [Dim, Dim, Dim];
  if (features.rank !== 2 || features.dim(1) !== width) {
    throw new QuintetError(
      'shape',
      `features ${formatShape(features.shape)} cannot replace embeddings ${formatShape(embeddings.shape)}: ` +
        `widths ${features.dim(-1)} and ${width} differ`,
    );
  }
  const order = sub(cumSum(cast(reshape(marked, [productOf([rows, length])]), 'i64'), 0), 1);
  const placed = reshape(gather(features, maximum(order, 0)), [rows, length, width]);
  return where(unsqueeze(marked, 2), placed, embeddings);
}
