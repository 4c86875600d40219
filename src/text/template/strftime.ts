/** Python's strftime in English and UTC, for `strftime_now`. */

import { failure } from './values.js';

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

const two = (value: number): string => String(value).padStart(2, '0');

const directives: Readonly<Record<string, (date: Date) => string>> = {
  a: (date) => (days[date.getUTCDay()] as string).slice(0, 3),
  A: (date) => days[date.getUTCDay()] as string,
  b: (date) => (months[date.getUTCMonth()] as string).slice(0, 3),
  B: (date) => months[date.getUTCMonth()] as string,
  d: (date) => two(date.getUTCDate()),
  e: (date) => String(date.getUTCDate()).padStart(2, ' '),
  H: (date) => two(date.getUTCHours()),
  I: (date) => two(date.getUTCHours() % 12 || 12),
  j: (date) =>
    String(Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1).padStart(3, '0'),
  m: (date) => two(date.getUTCMonth() + 1),
  M: (date) => two(date.getUTCMinutes()),
  p: (date) => (date.getUTCHours() < 12 ? 'AM' : 'PM'),
  S: (date) => two(date.getUTCSeconds()),
  w: (date) => String(date.getUTCDay()),
  y: (date) => two(date.getUTCFullYear() % 100),
  Y: (date) => String(date.getUTCFullYear()),
  Z: () => 'UTC',
  z: () => '+0000',
  '%': () => '%',
};

export function strftime(format: string, date: Date): string {
  return format.replace(/%(-?)(.)/gs, (_, bare: string, letter: string) => {
    const write = Object.hasOwn(directives, letter) ? directives[letter] : undefined;
    if (write === undefined) throw failure(`strftime_now: an unknown directive %${letter}`);
    return bare === '-' ? write(date).replace(/^[0 ](?=\d)/, '') : write(date);
  });
}
