/**
 * The vision transformer of Idefics3 and SmolVLM: SigLIP over tiles, which may be filled only in part.
 *
 * Laurençon et al., 2024, https://arxiv.org/abs/2408.12637; positions as in NaViT: Dehghani et al., 2023,
 * https://arxiv.org/abs/2307.06304
 *
 * V tiles, P patches a tile, D width
 */
import { paddingMask } from '../../nn/index.js';
import { type Fields, type HostArray, hostArray, QuintetError } from '../../tensor/index.js';
import type { Encoder } from '../types.js';
import { readSiglipVision, type SiglipVisionConfig, siglipVisionStates } from './siglip.js';

/** Tiles [V, 3, S, S] with `patch_positions` and `patch_present` i64 [V, P] -> features [V, P, D] */
export function idefics3Vision(config: SiglipVisionConfig): Encoder {
  return {
    kind: 'encoder',
    image: config.image,
    buffers: ['embeddings.position_ids'],
    forward(p, pixels, { patch_positions: positions, patch_present: present }) {
      const patches = positions && present ? { positions, mask: paddingMask(present) } : {};
      return siglipVisionStates(p, pixels, config, patches).last;
    },
  };
}

type Arrays = Readonly<Record<string, HostArray>>;

/** What the encoder takes besides tiles, and how it is made of the arguments that Hugging Face's has. */
export function tileInputs(config: SiglipVisionConfig) {
  const patches = { dtype: 'i64', shape: ['M', Math.floor(config.image / config.patch) ** 2] } as const;
  return { inputs: { patch_positions: patches, patch_present: patches }, prepare: prepareTiles(config) };
}

/**
 * What the encoder is fed for pixel_values [B, M, 3, S, S] and pixel_attention_mask [B, M, S, S]: the tiles that are there
 * (the others are all zeros), the position of each patch, and whether the picture reaches it.
 */
function prepareTiles({ image, patch }: SiglipVisionConfig): (given: Arrays) => Arrays {
  const side = Math.floor(image / patch);
  return ({ pixel_values: pixels, pixel_attention_mask: mask, ...rest }) => {
    if (!pixels) return rest;
    const [batch, count, , height, width] = pixels.shape as [number, number, number, number, number];
    if (height !== image || width !== image) {
      throw new QuintetError('shape', `tiles of ${height}x${width} pixels; the model takes ${image}x${image}`);
    }
    const area = 3 * height * width;
    const values = pixels.data as Float32Array;
    const tiles = Array.from({ length: batch * count }, (_, i) => i).filter((i) =>
      values.subarray(i * area, (i + 1) * area).some((value) => value !== 0),
    );
    // As the reference has it, one tile is kept even where all are zeros.
    const kept = tiles.length > 0 ? tiles : [0];
    const areAll = kept.length === batch * count;
    const data = areAll ? values : new Float32Array(kept.length * area);
    if (!areAll) for (const [row, i] of kept.entries()) data.set(values.subarray(i * area, (i + 1) * area), row * area);
    const present = kept.map((i) => presentPatches(mask, i, { side, patch, image }));
    return {
      ...rest,
      pixel_values: { dtype: 'f32', shape: [kept.length, 3, height, width], data },
      patch_present: hostArray('i64', [kept.length, side * side], present.flat()),
      patch_positions: hostArray(
        'i64',
        [kept.length, side * side],
        present.flatMap((row) => positions(row, side)),
      ),
    };
  };
}

interface Grid {
  readonly side: number;
  readonly patch: number;
  readonly image: number;
}

/** 1 for patches with a pixel of the picture in them, row by row. */
function presentPatches(mask: HostArray | undefined, tile: number, { side, patch, image }: Grid): number[] {
  if (!mask) return new Array<number>(side * side).fill(1);
  const before = tile * image * image;
  return Array.from({ length: side * side }, (_, i) => {
    const [top, left] = [Math.floor(i / side) * patch, (i % side) * patch];
    for (let y = top; y < top + patch; y++) {
      for (let x = left; x < left + patch; x++) if (mask.data[before + y * image + x]) return 1;
    }
    return 0;
  });
}

/** Positions of the patches that are there, spread over the whole table; the others have position 0. */
function positions(present: readonly number[], side: number): number[] {
  const rows = Array.from({ length: side }, (_, y) => present[y * side]).filter(Boolean).length;
  const columns = present.slice(0, side).filter(Boolean).length;
  return present.map((here, i) => {
    if (!here) return 0;
    return bucket(Math.floor(i / side), rows, side) * side + bucket(i % side, columns, side);
  });
}

/** Which of `side` equal parts of the unit interval place `index` of `count` falls into, in float32 as the reference has it. */
function bucket(index: number, count: number, side: number): number {
  const f32 = Math.fround;
  const place = Math.min(f32(index * f32(1 / count)), f32(1 - 1e-6));
  let part = 0;
  while (part + 1 < side && f32((part + 1) / side) <= place) part++;
  return part;
}

/** The configuration in a `config.json` of model_type idefics3_vision or smolvlm_vision. */
export function readIdefics3Vision(config: Fields): SiglipVisionConfig {
  return {
    ...readSiglipVision(config, { width: 1152, heads: 16 }),
    patch: config.count('patch_size', 32),
    head: false,
  };
}
