// Tests of the storage given to GraphiQL: secrets are taken out, everything else stays as it was.
import { describe, expect, it } from 'vitest';
import { scrub, scrubbingStorage } from './scrubbing-storage';

const keep = (text: string) => text;

function memory(): Storage {
  const map = new Map<string, string>();
  return {
    get length() {
      return map.size;
    },
    key: (index) => [...map.keys()][index] ?? null,
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, value) => void map.set(key, value),
    removeItem: (key) => void map.delete(key),
    clear: () => map.clear(),
  };
}

describe('scrub', () => {
  it('takes headers out of tabs and history', () => {
    const tabs = JSON.stringify({ tabs: [{ query: '{ a }', headers: '{"x":"secret"}' }, { query: '', headers: null }] });
    expect(JSON.parse(scrub(tabs, keep))).toEqual({ tabs: [{ query: '{ a }', headers: '' }, { query: '', headers: null }] });
  });

  it('takes passwords and tokens out of queries and variables, and the JSON stays well-formed', () => {
    const query = 'mutation { signIn(input: { email: "a@b.c", password: "s3cret\\"x" }) { accessToken } }';
    const variables = JSON.stringify({ password: 'hidden-1', newPassword: 'hidden-2', refreshToken: 'hidden-3', first: 5 });
    const stored = scrub(JSON.stringify({ tabs: [{ query, variables, headers: null }] }), keep);
    const tab = JSON.parse(stored).tabs[0];
    expect(stored).not.toMatch(/s3cret|hidden/);
    expect(tab.query).toContain('email: "a@b.c", password: "');
    expect(JSON.parse(tab.variables)).toEqual({ password: '', newPassword: '', refreshToken: '', first: 5 });
    expect(scrub(query, keep)).not.toContain('s3cret');
    expect(scrub('{ signIn(password: """s3cret""") }', keep)).toBe('{ signIn(password: """""") }');
  });

  it('does not touch empty values and ordinary text', () => {
    for (const query of ['{ signIn(password: "", email: "x") }', '{ password', 'query { accessToken: id, name(a: "b") }', '']) {
      expect(scrub(query, keep)).toBe(query);
      const tabs = JSON.stringify({ tabs: [{ query }] });
      expect(scrub(tabs, keep)).toBe(tabs);
    }
    const halfTyped = JSON.stringify({ query: '{ signIn(password: "', variables: '{"password": ""' });
    expect(JSON.parse(scrub(halfTyped, keep))).toEqual(JSON.parse(halfTyped));
  });

  it('takes out the tokens of the session and bearer tokens', () => {
    expect(scrub('# TOKEN-1 Bearer abc.def-1', (text) => text.replaceAll('TOKEN-1', ''))).toBe('#  Bearer ');
  });
});

describe('scrub of API keys', () => {
  const beginning = 'pa_live_01h455vb4pex5vsknk084sn02q_';

  it('takes the secret out wherever one is written', () => {
    const tabs = JSON.stringify({ tabs: [{ query: `# ${beginning}003aUlTJ`, variables: `{"key":"${beginning}003aUlTJ"}` }] });
    const stored = scrub(tabs, keep);
    expect(stored).not.toContain('003aUlTJ');
    expect(JSON.parse(JSON.parse(stored).tabs[0].variables)).toEqual({ key: beginning });
  });

  it('leaves alone what is no key', () => {
    for (const text of ['# keys begin with pa_live_', '{ apiKeys { nodes { beginning } } }']) expect(scrub(text, keep)).toBe(text);
  });
});

describe('scrubbingStorage', () => {
  it('stores queries, never the headers editor', () => {
    const base = memory();
    const storage = scrubbingStorage(() => base, keep);
    storage.setItem('graphiql:query', '{ a }');
    storage.setItem('graphiql:headers', '{"authorization":"Bearer x"}');
    expect(storage.getItem('graphiql:query')).toBe('{ a }');
    expect(base.getItem('graphiql:headers')).toBeNull();
  });

  it('clears only what GraphiQL wrote', () => {
    const base = memory();
    base.setItem('other', '1');
    base.setItem('graphiql:query', '{ a }');
    base.setItem('graphiql:theme', 'dark');
    scrubbingStorage(() => base, keep).clear();
    expect([base.length, base.getItem('other')]).toEqual([1, '1']);
  });

  it('works without a storage', () => {
    const storage = scrubbingStorage(() => {
      throw new DOMException('blocked', 'SecurityError');
    }, keep);
    storage.setItem('graphiql:query', '{ a }');
    expect([storage.getItem('graphiql:query'), storage.length]).toEqual([null, 0]);
  });
});
