/**
 * Low-rank adaptation: y = W x + s B A x, where A [rank, in] starts as PyTorch's linear layers do and B [out, rank] at zero.
 *
 * Hu et al., 2021, https://arxiv.org/abs/2106.09685
 */
import { add, gather, matmul, mul, reshape, type Tensor, transpose } from '../../graph/index.js';
import { fanIn, type Glob, normal, type Params, wrapScope, zeroed } from '../../nn/index.js';
import { type Adapter, changeProducts, type Layer, namesIn, type Placed, settingsFor, takesPart } from './adapter.js';

export interface LoraOptions extends Placed {
  readonly rank: number;
  /** The product of the two matrices counts alpha / rank times; default twice the rank. */
  readonly alpha?: number;
  /** Whether it counts alpha / sqrt(rank) times instead: Kalajdzievski, 2023, https://arxiv.org/abs/2312.03732 */
  readonly rankStabilised?: boolean;
  /** Which biases learn as well; default none. */
  readonly bias?: 'none' | 'adapted' | 'all';
}

export const loraScale = ({ rank, alpha = 2 * rank, rankStabilised = false }: Omit<LoraOptions, 'on'>): number =>
  alpha / (rankStabilised ? Math.sqrt(rank) : rank);

/**
 * Adapts linear layers, tables of embeddings and convolutions. Several settings adapt different layers; of those that fit a
 * layer the first is taken.
 */
export function lora(...settings: readonly LoraOptions[]): Adapter {
  return {
    merges: true,
    parameters: withBiases(settings, [...linearNames, ...tableNames]),
    adapt(p) {
      const products = changeProducts(p, { settings, names: linearNames }, (layer, own) =>
        add(layer.product(layer.x), lowRank(layer, own)),
      );
      return wrapScope(products, (inner) => wholeVerbs(inner, settings));
    },
  };
}

const linearNames = ['lora_A.weight', 'lora_B.weight'];
const tableNames = ['lora_embedding_A', 'lora_embedding_B'];

/** What learns under these names, and the biases that do: each in one pattern with the names, for a network may have none. */
export const withBiases = (settings: readonly LoraOptions[], names: readonly string[]): Glob[] => [
  ...settings.flatMap((own) => namesIn([own], own.bias === 'adapted' ? [...names, 'bias'] : names)),
  ...(settings.some(({ bias }) => bias === 'all') ? [`**.{bias,${names}}`] : []),
];

/** s B A x of a layer [..., out] */
export function lowRank({ p, x, out }: Layer, own: LoraOptions): Tensor {
  const low = p.product('lora_A.weight', x, own.rank, fanIn);
  return mul(p.product('lora_B.weight', low, out, zeroed), loraScale(own));
}

/** Tables, whose rows are looked up, and kernels of convolutions, which are used whole. */
function wholeVerbs(inner: Params, settings: readonly LoraOptions[]): Partial<Pick<Params, 'get' | 'rows'>> {
  const own = settingsFor(settings, inner.path);
  if (!own) return {};
  const { rank } = own;
  return {
    rows(name, ids, [count, width], init) {
      const looked = inner.rows(name, ids, [count, width], init);
      if (name !== 'weight' || !takesPart(inner, tableNames)) return looked;
      const low = gather(transpose(inner.get('lora_embedding_A', [rank, count], zeroed)), ids); // [..., rank]
      const high = inner.get('lora_embedding_B', [width, rank], normal(1));
      return add(looked, mul(matmul(low, transpose(high)), loraScale(own)));
    },
    get(name, shape, init) {
      const kernel = inner.get(name, shape, init);
      return name === 'weight' && isKernel(inner, shape) ? add(kernel, kernelChange(inner, shape, own)) : kernel;
    },
  };
}

/** Whether a weight is the kernel of a convolution that is adapted. */
export const isKernel = (p: Params, shape: readonly number[]): boolean =>
  shape.length > 2 && takesPart(p, ['lora_A.weight']);

/** s B A of a kernel [out, in, ...]: one convolution into `rank` channels, and one of single points out of them. */
export function kernelChange(p: Params, shape: readonly number[], own: LoraOptions): Tensor {
  const { rank } = own;
  const [out, ...rest] = shape as [number, ...number[]];
  const ones = rest.slice(1).map(() => 1);
  const low = p.get('lora_A.weight', [rank, ...rest], fanIn);
  const high = p.get('lora_B.weight', [out, rank, ...ones], zeroed);
  const size = rest.reduce((product, each) => product * each, 1);
  const change = matmul(reshape(high, [out, rank]), reshape(low, [rank, size]));
  return mul(reshape(change, shape), loraScale(own));
}
