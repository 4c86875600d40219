/** Draws contact sheets of all drawings, a row a drawing and a column a style, to choose and check them by eye. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp, { type OverlayOptions } from 'sharp';

import { artStyles, cacheFolder } from './art.js';
import { objects } from './objects.js';
import { loadArt, spriteSize } from './sprites.js';

const [cell, label, rowsAColumn, columns] = [48, 130, 34, 3];
const art = await loadArt();
const sprites = [...art.train, ...art['unseen-style'], ...art['unseen-outline-style']];
const rows = objects.flatMap((kind, object) => kind.drawings.map((_, drawing) => ({ kind, object, drawing })));
const columnWidth = label + cell * artStyles.length;
mkdirSync(cacheFolder, { recursive: true });
for (let start = 0; start < rows.length; start += rowsAColumn * columns) {
  const pieces: OverlayOptions[] = [];
  for (const [i, row] of rows.slice(start, start + rowsAColumn * columns).entries()) {
    const left = Math.floor(i / rowsAColumn) * columnWidth;
    const top = (i % rowsAColumn) * cell;
    const text = `<svg width="${label}" height="${cell}"><text x="2" y="28" font-size="14">${row.kind.name}</text></svg>`;
    pieces.push({ input: Buffer.from(text), left, top });
    for (const [column, style] of artStyles.entries()) {
      const sprite = sprites.find(
        (s) => s.object === row.object && s.drawing === row.drawing && s.style === style.name,
      );
      if (sprite === undefined) continue;
      const straight = sprite.levels[1]!.map((value, at, all) =>
        at % 4 === 3 ? value : Math.min(255, Math.round((value * 255) / Math.max(1, all[at - (at % 4) + 3]!))),
      );
      const size = spriteSize / 2;
      const raw = { width: size, height: size, channels: 4 as const };
      const input = await sharp(straight, { raw }).png().toBuffer();
      pieces.push({ input, left: left + label + column * cell, top });
    }
  }
  const file = join(cacheFolder, `sheet-${start / (rowsAColumn * columns)}.png`);
  const canvas = { width: columnWidth * columns, height: rowsAColumn * cell, channels: 3 as const, background: '#dde' };
  await sharp({ create: canvas }).composite(pieces).png().toFile(file);
  console.log(file);
}
