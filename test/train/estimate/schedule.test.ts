/** What a run of a graph keeps in memory and computes, against what is counted by hand. */
import { expect, test } from 'vitest';
import { add, exp, graph, input, matmul, reshape, tanh } from '../../../src/graph/index.js';
import { inOrder, operationsOf, peakOfValues, sizesOf, workOf } from '../../../src/train/estimate/schedule.js';

const x = input('x', 'f32', ['B', 4]);
const sizes = sizesOf({ x }, { x: { shape: [3, 4] } });
/** Of [B, 4] in f32. */
const one = 3 * 4 * 4;

test('of several operands the one written last is computed first', () => {
  const built = graph('g', { y: add(exp(x), tanh(x)) });
  expect(built.nodes.map(({ kind }) => kind)).toEqual(['Input', 'Exp', 'Tanh', 'Add']);
  expect(inOrder(operationsOf(built)).map(({ node }) => node.kind)).toEqual(['Tanh', 'Exp', 'Add']);
});

test('a value is there until it is read for the last time; what is given lies elsewhere', () => {
  const chain = exp(exp(exp(exp(x))));
  expect(peakOfValues(graph('chain', { y: chain }))(sizes)).toBe(2 * one);
  const kept = exp(x);
  expect(peakOfValues(graph('kept', { y: add(kept, exp(exp(exp(kept)))) }))(sizes)).toBe(3 * one);
});

test('another shape of a value takes no memory of its own', () => {
  const flat = reshape(reshape(exp(x), ['4*B']), ['2*B', 2]);
  expect(peakOfValues(graph('flat', { y: exp(exp(flat)) }))(sizes)).toBe(2 * one);
});

test('a product is two operations a number that is added up, anything else one a number', () => {
  const w = input('w', 'f32', [4, 5]);
  expect(workOf(graph('g', { y: exp(matmul(x, w)) }))(sizes)).toBe(2 * 3 * 4 * 5 + 3 * 5);
});
