/**
 * Vector-based random matrix adaptation: y = W x + b · B (d · A x), where all layers share frozen random A [rank, widest in]
 * and B [widest out, rank], cut to their widths, and only the vectors b [out] and d [rank] learn.
 *
 * Kopiczko et al., "VeRA", 2023, https://arxiv.org/abs/2310.11454
 */
import { add, matmul, mul, slice, type Tensor, transpose } from '../../graph/index.js';
import { fanIn, filled, type Params, zeroed } from '../../nn/index.js';
import { QuintetError } from '../../tensor/index.js';
import { type Adapter, changeProducts, namesIn, type Placed } from './adapter.js';

export interface VeraOptions extends Placed {
  readonly rank: number;
  /** Widths of the widest adapted layers, which A and B have. */
  readonly widest: { readonly in: number; readonly out: number };
  /** What d begins with; default 0.1. */
  readonly start?: number;
}

/** Adapts linear layers. */
export function vera(settings: VeraOptions): Adapter {
  const { rank, widest, start = 0.1 } = settings;
  const names = ['vera_lambda_b', 'vera_lambda_d'];
  return {
    merges: true,
    parameters: namesIn([settings], names),
    frozen: ['vera_A', 'vera_B'],
    adapt(root) {
      const shared = (name: string, shape: readonly number[]): Tensor =>
        (root.has(name) ? root.shared : root).get(name, shape, fanIn);
      return changeProducts(root, { settings: [settings], names }, ({ p, x, out, product }) => {
        const width = x.size(-1);
        if (width > widest.in || out > widest.out) throw tooWide(p, [out, width], widest);
        const low = slice(shared('vera_A', [rank, widest.in]), 1, 0, width);
        const high = slice(shared('vera_B', [widest.out, rank]), 0, 0, out);
        const inner = mul(matmul(x, transpose(low)), p.get('vera_lambda_d', [rank], filled(start)));
        return add(product(x), mul(matmul(inner, transpose(high)), p.get('vera_lambda_b', [out], zeroed)));
      });
    },
  };
}

function tooWide({ path }: Params, size: readonly [number, number], widest: VeraOptions['widest']): QuintetError {
  const message = `the layer is ${size[0]} by ${size[1]}, the shared matrices ${widest.out} by ${widest.in}`;
  return new QuintetError('shape', message, { at: path });
}
