/** Python's strftime in English for `strftime_now`: the machine's own time, without a zone, as `datetime.now()` has it. */

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

/** From 1; in UTC, where every day has as many hours. */
const dayOfYear = (date: Date): number =>
  (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0, 0)) / 86_400_000;

const directives: Readonly<Record<string, (date: Date) => string>> = {
  a: (date) => (days[date.getDay()] as string).slice(0, 3),
  A: (date) => days[date.getDay()] as string,
  b: (date) => (months[date.getMonth()] as string).slice(0, 3),
  B: (date) => months[date.getMonth()] as string,
  d: (date) => two(date.getDate()),
  e: (date) => String(date.getDate()).padStart(2, ' '),
  H: (date) => two(date.getHours()),
  I: (date) => two(date.getHours() % 12 || 12),
  j: (date) => String(dayOfYear(date)).padStart(3, '0'),
  m: (date) => two(date.getMonth() + 1),
  M: (date) => two(date.getMinutes()),
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  S: (date) => two(date.getSeconds()),
  w: (date) => String(date.getDay()),
  y: (date) => two(date.getFullYear() % 100),
  Y: (date) => String(date.getFullYear()),
  Z: () => '',
  z: () => '',
  '%': () => '%',
};

export function strftime(format: string, date: Date): string {
  return format.replace(/%(-?)(.)/gs, (_, bare: string, letter: string) => {
    const write = Object.hasOwn(directives, letter) ? directives[letter] : undefined;
    if (write === undefined) throw failure(`strftime_now: an unknown directive %${letter}`);
    return bare === '-' ? write(date).replace(/^[0 ](?=\d)/, '') : write(date);
  });
}
