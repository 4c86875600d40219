/** Naming colours: one everyday word for a pixel, and the one word for a drawing where there is one. */

export const colorNames = [
  'red',
  'orange',
  'yellow',
  'green',
  'blue',
  'purple',
  'pink',
  'brown',
  'black',
  'white',
  'grey',
] as const;

export type ColorName = (typeof colorNames)[number];

/** The everyday word for an sRGB colour, channels 0 to 255. */
export function colorName(red: number, green: number, blue: number): ColorName {
  const high = Math.max(red, green, blue);
  const low = Math.min(red, green, blue);
  const lightness = (high + low) / 510;
  const chroma = high - low;
  if (high < 50) return 'black';
  if (chroma < 28 || (lightness > 0.9 && chroma < 45)) return neutralName(lightness);
  if (chroma / high < 0.14) return neutralName(lightness);
  return hueName(hueOf(red, green, blue), high / 255, chroma / high, lightness);
}

function neutralName(lightness: number): ColorName {
  if (lightness < 0.24) return 'black';
  return lightness > 0.84 ? 'white' : 'grey';
}

/** Hue in degrees, [0, 360). */
function hueOf(red: number, green: number, blue: number): number {
  const high = Math.max(red, green, blue);
  const chroma = high - Math.min(red, green, blue);
  if (high === red) return (60 * ((green - blue) / chroma) + 360) % 360;
  return high === green ? 60 * ((blue - red) / chroma) + 120 : 60 * ((red - green) / chroma) + 240;
}

/** Value and saturation as in HSV; pink is light red or magenta, brown is dark or dull orange. */
function hueName(hue: number, value: number, saturation: number, lightness: number): ColorName {
  if (hue < 14 || hue >= 346) return redName(value, saturation, lightness);
  if (hue < 38) return value < 0.72 || (saturation < 0.55 && value < 0.86) ? 'brown' : 'orange';
  if (hue < 68) return value < 0.5 ? 'brown' : 'yellow';
  if (hue < 168) return 'green';
  if (hue < 252) return 'blue';
  if (hue < 295) return 'purple';
  return value < 0.55 ? 'purple' : 'pink';
}

function redName(value: number, saturation: number, lightness: number): ColorName {
  if (value < 0.5) return 'brown';
  return lightness > 0.68 || (saturation < 0.5 && value > 0.7) ? 'pink' : 'red';
}

/**
 * The one colour of a drawing, or undefined when it has no clear one.
 *
 * @param counts how many pixels have each name, in the order of `colorNames`
 */
export function dominantColor(counts: ArrayLike<number>): ColorName | undefined {
  let total = 0;
  let best = 0;
  for (let i = 0; i < colorNames.length; i++) {
    total += counts[i]!;
    if (counts[i]! > counts[best]!) best = i;
  }
  let second = 0;
  for (let i = 0; i < colorNames.length; i++) if (i !== best) second = Math.max(second, counts[i]!);
  const clear = counts[best]! >= 0.6 * total && second <= 0.2 * total;
  return total > 0 && clear ? colorNames[best] : undefined;
}
