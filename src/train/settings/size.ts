/** Sizes in bytes as people write them: 20GB, 4GiB, 512 MiB. */

const units: Readonly<Record<string, number>> = {
  ...{ MB: 1e6, GB: 1e9, TB: 1e12 },
  ...{ MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 },
};

/** The bytes of a size; undefined where it is none. */
export function bytesOfSize(text: string): number | undefined {
  const [, size, unit] = /^(\d+(?:\.\d+)?) ?([MGT]i?B)$/.exec(text) ?? [];
  return size && unit ? Number(size) * (units[unit] as number) : undefined;
}
