/**
 * EfficientNet-Lite: pictures to classes, and to what a classifier sees of them.
 *
 * Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019,
 * https://arxiv.org/abs/1905.11946; sizes of the Lite forms:
 * https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
 */
import {
  type EfficientNetConfig,
  efficientNetBuffers,
  efficientNetScores,
  efficientNetStates,
  readEfficientNet,
} from '../parts/encoders/efficientnet.js';
import { recipe } from '../system/index.js';

const classes = 1000; // ImageNet's

export const efficientNetLite = recipe({
  name: 'efficientnet-lite',
  modelTypes: ['quintet_efficientnet_lite'],
  sizes: {
    lite0: { image: 224, width: 1, depth: 1, classes },
    lite1: { image: 240, width: 1, depth: 1.1, classes },
    lite2: { image: 260, width: 1.1, depth: 1.2, classes },
    lite3: { image: 280, width: 1.2, depth: 1.4, classes },
    lite4: { image: 300, width: 1.4, depth: 1.8, classes },
    tiny: { image: 48, width: 0.25, depth: 1, classes: 10 },
  },
  read: readEfficientNet,
  build: (config: EfficientNetConfig, name) => ({
    ...{ name, paper: 'arXiv:1905.11946', buffers: efficientNetBuffers },
    inputs: { pixel_values: { dtype: 'f32', shape: ['M', 3, config.image, config.image] } },
    forward(p, { pixel_values: pixels }) {
      if (!pixels) return {};
      const { grid, pooled, blocks } = efficientNetStates(p, pixels, config);
      const states = Object.fromEntries(blocks.map((state, i) => [`hidden_states/${i}`, state]));
      return { last_hidden: grid, pooled, logits: efficientNetScores(p, pooled, config), ...states };
    },
  }),
});
