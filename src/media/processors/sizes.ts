/**
 * The forms in which preprocessor_config.json gives a size, and the sizes that follow for a picture.
 *
 * Source: transformers 5.23, get_size_dict and PilBackend.resize, image_transforms.py.
 */

import { type Fields, QuintetError, roundTiesToEven } from '../../tensor/index.js';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The size a picture gets, from the size it has. */
export type SizeRule = (size: Size) => Size;

/** A size that is the same for every picture: {height, width}, [height, width], or one number for both. */
export function readFixedSize(f: Fields, name: string): Size {
  const raw = f.raw[name];
  if (typeof raw === 'number') {
    const edge = f.count(name);
    return { width: edge, height: edge };
  }
  if (Array.isArray(raw)) {
    const [height = 0, width = 0] = f.numbers(name);
    if (raw.length === 2 && height >= 1 && width >= 1) return { width, height };
    throw new QuintetError('config', 'expected [height, width]', { at: `${f.at}: ${name}` });
  }
  const size = f.object(name);
  return { width: size.count('width'), height: size.count('height') };
}

/** `size` in all its forms. One number is the shorter edge, unless `default_to_square`. */
export function readSizeRule(f: Fields): SizeRule {
  if (typeof f.raw.size === 'number' && !f.flag('default_to_square', false)) return shortestEdge(f.count('size'));
  if (typeof f.raw.size !== 'object' || Array.isArray(f.raw.size)) return fixed(readFixedSize(f, 'size'));
  const size = f.object('size');
  if (size.has('shortest_edge')) {
    const edge = size.count('shortest_edge');
    return size.has('longest_edge') ? edgesWithin(edge, size.count('longest_edge')) : shortestEdge(edge);
  }
  if (size.has('max_height')) return within({ height: size.count('max_height'), width: size.count('max_width') });
  return fixed(readFixedSize(f, 'size'));
}

function fixed(size: Size): SizeRule {
  return () => size;
}

function shortestEdge(edge: number): SizeRule {
  return ({ width, height }) => {
    const longer = Math.trunc((edge * Math.max(width, height)) / Math.min(width, height));
    return width <= height ? { width: edge, height: longer } : { width: longer, height: edge };
  };
}

/** The shorter edge as given, or as long as the longer one allows (DETR's rule). */
function edgesWithin(shortest: number, longest: number): SizeRule {
  return ({ width, height }) => {
    const [shorter, longer] = [Math.min(width, height), Math.max(width, height)];
    const isBound = (longer / shorter) * shortest > longest;
    const exact = isBound ? (longest * shorter) / longer : shortest;
    const edge = isBound ? roundTiesToEven(exact) : shortest;
    if (shorter === edge) return { width, height };
    return width < height
      ? { width: edge, height: Math.trunc((exact * height) / width) }
      : { width: Math.trunc((exact * width) / height), height: edge };
  };
}

function within(bounds: Size): SizeRule {
  return ({ width, height }) => {
    const scale = Math.min(bounds.height / height, bounds.width / width);
    return { width: Math.trunc(width * scale), height: Math.trunc(height * scale) };
  };
}
