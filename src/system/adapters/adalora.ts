/**
 * Adaptive low-rank adaptation: y = W x + s B (E · A) x, a decomposition whose singular values E begin at zero. A and B are
 * held near orthogonal by a term of the loss. Ranks may be cut while they learn: rank-cuts.ts.
 *
 * Zhang et al., "AdaLoRA", 2023, https://arxiv.org/abs/2303.10512
 */
import { add, constant, matmul, mul, sqrt, sub, sum, type Tensor, transpose } from '../../graph/index.js';
import { type Declaration, matches, normal, zeroed } from '../../nn/index.js';
import { hostArray } from '../../tensor/index.js';
import { type Adapter, changeProducts, namesIn, type Placed } from './adapter.js';
import { checkCuts, type RankCuts, rankCuts } from './rank-cuts.js';

export interface AdaloraOptions extends Placed {
  readonly rank: number;
  /** The rank before cuts; default `rank`. */
  readonly initial?: number;
  /** What is added counts alpha / initial times; default twice the initial rank. */
  readonly alpha?: number;
  /** Weight of the term that holds A and B near orthogonal; default 0.5. */
  readonly orthogonality?: number;
  /** How ranks are cut while they learn; default not at all. Of several settings the first one's counts. */
  readonly cuts?: RankCuts;
}

export const adaloraAlpha = ({ rank, initial = rank, alpha = 2 * initial }: Omit<AdaloraOptions, 'on'>): number =>
  alpha;

/** Adapts linear layers. */
export function adalora(...settings: readonly AdaloraOptions[]): Adapter {
  const bases = namesIn(settings, ['lora_A', 'lora_B']);
  const names = ['lora_E'];
  const parameters = [...bases, ...namesIn(settings, names)];
  const [first] = settings;
  if (first?.cuts) checkCuts(first.cuts, first.rank);
  return {
    merges: true,
    parameters,
    ...(first?.cuts ? { pruning: rankCuts(first.cuts, parameters) } : {}),
    adapt: (p) =>
      changeProducts(p, { settings, names }, ({ p: at, x, out, product }, own) => {
        const { rank, initial = rank } = own;
        const low = at.get('lora_A', [rank, x.size(-1)], normal(0.02));
        const values = at.get('lora_E', [rank, 1], zeroed);
        const high = at.get('lora_B', [out, rank], normal(0.02));
        const added = matmul(matmul(x, transpose(mul(low, values))), transpose(high));
        // PEFT adds this little to the rank, and files count on it.
        return add(product(x), mul(added, adaloraAlpha(own) / (initial + 1e-5)));
      }),
    penalty: (declarations) => departure(declarations, bases, first?.orthogonality ?? 0.5),
  };
}

/** How far A A' and B' B are from the identity, in the Frobenius norm, on average: equation 4, without the squares. */
function departure(declarations: ReadonlyMap<string, Declaration>, bases: readonly string[], weight: number): Tensor {
  const all = [...declarations.values()].filter(({ name }) => matches(name, bases));
  const distances = all.map(({ name, tensor }) => {
    const product = name.endsWith('lora_A') ? matmul(tensor, transpose(tensor)) : matmul(transpose(tensor), tensor);
    const rest = sub(product, identity(product.size(0)));
    return sqrt(sum(mul(rest, rest)));
  });
  return mul(
    distances.reduce((total, one) => add(total, one)),
    weight / all.length,
  );
}

/** [size, size] */
export function identity(size: number): Tensor {
  const numbers = Array.from({ length: size * size }, (_, i) => Number(i % (size + 1) === 0));
  return constant(hostArray('f32', [size, size], numbers));
}
