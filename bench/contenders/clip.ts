/** The settings of CLIP's image processor, for pictures of so many pixels a side. */
const clip = (side: number) => ({
  image_processor_type: 'CLIPImageProcessor',
  do_resize: true,
  size: { shortest_edge: side },
  resample: 3,
  do_center_crop: true,
  crop_size: { height: side, width: side },
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
  do_convert_rgb: true,
});

/** As openai/clip-vit-base-patch16 and openai/clip-vit-large-patch14-336 have them. */
export const [clip224, clip336] = [clip(224), clip(336)];
