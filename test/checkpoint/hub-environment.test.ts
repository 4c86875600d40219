import { expect, test } from 'vitest';
import { hubOptionsFromEnvironment } from '../../src/checkpoint/index.js';

test('the environment is read by the rules of the Python library', () => {
  expect(hubOptionsFromEnvironment({ HOME: '/home/a' })).toEqual({
    cache: '/home/a/.cache/huggingface/hub',
    offline: false,
    tokenFile: '/home/a/.cache/huggingface/token',
  });
  expect(hubOptionsFromEnvironment({ HOME: '/h', XDG_CACHE_HOME: '/x' }).cache).toBe('/x/huggingface/hub');
  expect(hubOptionsFromEnvironment({ HOME: '/h', HF_HOME: '/hf' }).cache).toBe('/hf/hub');
  const all = {
    HF_HUB_CACHE: '/c',
    HF_HOME: '/hf',
    HF_TOKEN: 't',
    HF_ENDPOINT: 'https://mirror/',
    HF_HUB_OFFLINE: 'ON',
  };
  expect(hubOptionsFromEnvironment(all)).toEqual({
    cache: '/c',
    offline: true,
    token: 't',
    endpoint: 'https://mirror',
  });
  expect(hubOptionsFromEnvironment({ HF_HUB_OFFLINE: '0', HF_TOKEN: ' ' })).toMatchObject({ offline: false });
  expect(hubOptionsFromEnvironment({ HF_TOKEN: ' ' })).not.toHaveProperty('token');
  expect(hubOptionsFromEnvironment({ HF_HOME: '/hf' })).toMatchObject({ tokenFile: '/hf/token' });
  expect(hubOptionsFromEnvironment({ HF_HOME: '/hf', HF_TOKEN_PATH: '/t' })).toMatchObject({ tokenFile: '/t' });
  const silent = hubOptionsFromEnvironment({ HF_HUB_DISABLE_IMPLICIT_TOKEN: '1', HF_TOKEN: 't' });
  expect(Object.keys(silent)).toEqual(['cache', 'offline']);
});
