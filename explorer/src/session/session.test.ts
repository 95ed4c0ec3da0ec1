// Tests of the session: tokens on requests, renewal in time and after a refusal, nothing kept elsewhere.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { REFRESH_FLOOR, REFRESH_MARGIN, Session } from './session';
import type { GraphQLAnswer, GraphQLRequest, Headers } from './transport';
import { TransportError } from './transport';

const START = Date.parse('2026-01-05T10:00:00Z');
const LIFE = 15 * 60_000;
const INVALID: GraphQLAnswer = { errors: [{ message: 'expired', extensions: { code: 'INVALID_TOKEN' } }] };

/** A server with one account: tokens are numbered, and only the newest pair is good. */
class FakeServer {
  now = START;
  generation = 0;
  calls: { name: string; authorization: string | undefined; request: GraphQLRequest }[] = [];
  before: (name: string) => Promise<void> | void = () => {};
  refuseRefresh = false;
  clockAhead = 0;

  send = async (request: GraphQLRequest, headers: Headers): Promise<GraphQLAnswer> => {
    const name = /(?:mutation|query) (\w+)/.exec(request.query)?.[1] ?? 'other';
    const authorization = headers['authorization'] ?? headers['Authorization'];
    this.calls.push({ name, authorization, request });
    await this.before(name);
    if (name === 'ExplorerSignIn') {
      const { password } = request.variables as { password: string };
      if (password !== 'right') {
        return { data: { signIn: { userErrors: [{ code: 'BAD', field: null, message: 'Wrong e-mail or password.' }] } } };
      }
      const viewer = { user: { name: 'Asha', email: 'asha@sharma.example' }, organization: { name: 'Sharma' }, role: 'OWNER' };
      return { data: { signIn: { ...this.issue(), viewer, userErrors: [] } } };
    }
    if (name === 'ExplorerRefresh') {
      const { refreshToken } = request.variables as { refreshToken: string };
      if (this.refuseRefresh || refreshToken !== `refresh-${this.generation}`) {
        return { data: { sessionRefresh: { userErrors: [{ code: 'INVALID', message: 'No such session.' }] } } };
      }
      return { data: { sessionRefresh: { ...this.issue(), userErrors: [] } } };
    }
    if (authorization !== undefined && authorization !== `Bearer access-${this.generation}`) return INVALID;
    return { data: { ok: authorization ?? 'anonymous' } };
  };

  issue() {
    this.generation += 1;
    const expiresAt = new Date(this.now + this.clockAhead + LIFE).toISOString();
    return { accessToken: `access-${this.generation}`, refreshToken: `refresh-${this.generation}`, expiresAt };
  }

  count(name: string) {
    return this.calls.filter((call) => call.name === name).length;
  }
}

const query: GraphQLRequest = { query: 'query Q { ok }' };
let server: FakeServer;
let session: Session;

beforeEach(() => {
  vi.useFakeTimers({ now: START });
  server = new FakeServer();
  session = new Session(server.send);
  return () => vi.useRealTimers();
});

async function advance(milliseconds: number) {
  server.now += milliseconds;
  await vi.advanceTimersByTimeAsync(milliseconds);
}

describe('sign in', () => {
  it('describes who is signed in, and puts the token on requests', async () => {
    expect(await session.request(query, {})).toEqual({ data: { ok: 'anonymous' } });
    expect(await session.signIn('asha@sharma.example', 'right')).toEqual({ ok: true });
    expect(session.state()).toEqual({
      status: 'signedIn', name: 'Asha', email: 'asha@sharma.example', organization: 'Sharma', role: 'OWNER',
    });
    expect(await session.request(query, {})).toEqual({ data: { ok: 'Bearer access-1' } });
  });

  it('shows the messages of the server', async () => {
    expect(await session.signIn('a', 'wrong')).toEqual({ ok: false, messages: ['Wrong e-mail or password.'] });
    expect(session.state().status).toBe('signedOut');
  });

  it('shows GraphQL errors and network errors', async () => {
    const refused = new Session(async () => ({ errors: [{ message: 'Too many attempts.' }] }));
    expect(await refused.signIn('a', 'b')).toEqual({ ok: false, messages: ['Too many attempts.'] });
    const broken = new Session(async () => {
      throw new TransportError('No connection.');
    });
    expect(await broken.signIn('a', 'b')).toEqual({ ok: false, messages: ['No connection.'] });
    const empty = new Session(async () => ({ data: { signIn: { userErrors: [] } } }));
    expect(await empty.signIn('a', 'b')).toEqual({ ok: false, messages: ['The server answered without a session.'] });
  });

  it('keeps no token in anything that the page can read or the browser stores', async () => {
    const setItem = vi.fn();
    vi.stubGlobal('localStorage', { setItem });
    vi.stubGlobal('sessionStorage', { setItem });
    await session.signIn('asha@sharma.example', 'right');
    await advance(LIFE);
    const seen = JSON.stringify([session, session.state(), Object.entries(session)]);
    expect(seen).not.toMatch(/access-|refresh-|right/);
    expect(setItem).not.toHaveBeenCalled();
    expect(session.redact('x access-2 y refresh-2')).toBe('x  y ');
    vi.unstubAllGlobals();
  });
});

describe('renewal by time', () => {
  it('happens the margin before the tokens expire, again and again', async () => {
    await session.signIn('a', 'right');
    await advance(LIFE - REFRESH_MARGIN - 1);
    expect(server.count('ExplorerRefresh')).toBe(0);
    await advance(1);
    expect(server.count('ExplorerRefresh')).toBe(1);
    expect(server.calls.at(-1)?.authorization).toBeUndefined();
    expect(await session.request(query, {})).toEqual({ data: { ok: 'Bearer access-2' } });
    await advance(LIFE - REFRESH_MARGIN);
    expect(server.count('ExplorerRefresh')).toBe(2);
  });

  it('does not spin when the clock of this machine is ahead', async () => {
    server.clockAhead = -60 * 60_000;
    await session.signIn('a', 'right');
    await advance(REFRESH_FLOOR - 1);
    expect(server.count('ExplorerRefresh')).toBe(0);
    await advance(REFRESH_FLOOR * 3);
    expect(server.count('ExplorerRefresh')).toBeLessThanOrEqual(3);
  });

  it('waits for a very distant instant without an early renewal', async () => {
    server.clockAhead = 60 * 24 * 3_600_000;
    await session.signIn('a', 'right');
    await advance(30 * 24 * 3_600_000);
    expect(server.count('ExplorerRefresh')).toBe(0);
    await advance(31 * 24 * 3_600_000);
    expect(server.count('ExplorerRefresh')).toBe(1);
  });

  it('survives a lost connection and tries again', async () => {
    await session.signIn('a', 'right');
    server.before = () => {
      throw new TransportError('No connection.');
    };
    await advance(LIFE - REFRESH_MARGIN);
    expect(session.state().status).toBe('signedIn');
    server.before = () => {};
    await advance(REFRESH_FLOOR);
    expect(await session.request(query, {})).toEqual({ data: { ok: 'Bearer access-2' } });
  });

  it('survives a fault of the server while the tokens are good, and not longer', async () => {
    let faulty = true;
    session = new Session(async (request, headers) => {
      if (faulty && request.query.includes('sessionRefresh')) return { data: null, errors: [{ message: 'Internal error.' }] };
      return server.send(request, headers);
    });
    await session.signIn('a', 'right');
    await advance(LIFE - REFRESH_MARGIN);
    expect(session.state().status).toBe('signedIn');
    faulty = false;
    await advance(REFRESH_FLOOR);
    expect(await session.request(query, {})).toEqual({ data: { ok: 'Bearer access-2' } });
    faulty = true;
    await advance(LIFE + REFRESH_FLOOR);
    expect(session.state().status).toBe('signedOut');
  });

  it('ends the session, with a word about it, when the server refuses', async () => {
    await session.signIn('a', 'right');
    server.refuseRefresh = true;
    await advance(LIFE);
    expect(session.state()).toMatchObject({ status: 'signedOut', notice: expect.stringContaining('ended') });
    expect(await session.request(query, {})).toEqual({ data: { ok: 'anonymous' } });
    await advance(LIFE * 3);
    expect(server.count('ExplorerRefresh')).toBe(1);
  });
});

describe('a refused token', () => {
  it('is renewed, and the request sent once more', async () => {
    session = new Session(async (request, headers) => {
      const first = / Q /.test(request.query) && headers['authorization'] === 'Bearer access-1';
      const answer = await server.send(request, headers);
      return first ? INVALID : answer;
    });
    await session.signIn('a', 'right');
    expect(await session.request(query, {})).toEqual({ data: { ok: 'Bearer access-2' } });
    expect(server.count('Q')).toBe(2);
    expect(server.count('ExplorerRefresh')).toBe(1);
  });

  it('is not retried twice', async () => {
    let sent = 0;
    session = new Session(async (request, headers) => {
      if (!/ Q /.test(request.query)) return server.send(request, headers);
      sent += 1;
      return INVALID;
    });
    await session.signIn('a', 'right');
    expect(await session.request(query, {})).toEqual(INVALID);
    expect(sent).toBe(2);
  });

  it('is renewed once for requests that overlap', async () => {
    let refusals = 3;
    session = new Session(async (request, headers) => {
      await Promise.resolve();
      if (/ Q /.test(request.query) && headers['authorization'] === 'Bearer access-1' && refusals-- > 0) return INVALID;
      return server.send(request, headers);
    });
    await session.signIn('a', 'right');
    const answers = await Promise.all([1, 2, 3].map(() => session.request(query, {})));
    expect(answers).toEqual(Array(3).fill({ data: { ok: 'Bearer access-2' } }));
    expect(server.count('ExplorerRefresh')).toBe(1);
  });

  it('is left alone when the person wrote the header', async () => {
    await session.signIn('a', 'right');
    expect(await session.request(query, { Authorization: 'Bearer mine' })).toEqual(INVALID);
    expect(server.calls.at(-1)?.authorization).toBe('Bearer mine');
    expect(server.count('ExplorerRefresh')).toBe(0);
  });
});

describe('sign out', () => {
  it('tells the server with the token, then forgets it', async () => {
    await session.signIn('a', 'right');
    await session.signOut();
    expect(server.calls.at(-1)).toMatchObject({ name: 'ExplorerSignOut', authorization: 'Bearer access-1' });
    expect(session.state()).toEqual({ status: 'signedOut', notice: null });
    await advance(LIFE * 2);
    expect(server.count('ExplorerRefresh')).toBe(0);
  });

  it('forgets the token even when the server cannot be reached', async () => {
    await session.signIn('a', 'right');
    server.before = () => {
      throw new TransportError('No connection.');
    };
    await session.signOut();
    expect(session.state().status).toBe('signedOut');
  });

  it('is not undone by a renewal that was under way', async () => {
    await session.signIn('a', 'right');
    let release = () => {};
    server.before = (name) => {
      if (name === 'ExplorerRefresh') return new Promise<void>((resolve) => (release = resolve));
    };
    await advance(LIFE - REFRESH_MARGIN);
    await session.signOut();
    release();
    await advance(0);
    expect(session.state().status).toBe('signedOut');
    expect(await session.request(query, {})).toEqual({ data: { ok: 'anonymous' } });
  });

  it('tells the page about every change', async () => {
    const heard = vi.fn();
    const stop = session.subscribe(heard);
    await session.signIn('a', 'right');
    await session.signOut();
    stop();
    await session.signIn('a', 'right');
    expect(heard).toHaveBeenCalledTimes(2);
  });
});

describe('an API key', () => {
  const KEY = 'pa_live_01h455vb4pex5vsknk084sn02q_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf34NKgo';
  let sent: { query: string; headers: Headers }[];
  let valid: boolean;

  beforeEach(() => {
    sent = [];
    valid = true;
    session = new Session(async (request, headers) => {
      sent.push({ query: request.query, headers });
      if (headers['x-api-key'] !== undefined && !valid) return INVALID;
      return { data: request.query.includes('ExplorerApiKey') ? { viewer: { role: 'OWNER' } } : { ok: true } };
    });
  });

  it('is asked about once, then put on requests, and shown by its last letters alone', async () => {
    expect(await session.takeKey(` ${KEY}\n`)).toEqual({ ok: true });
    expect(session.state()).toEqual({ status: 'usingKey', label: 'pa_live_…NKgo' });
    expect(await session.request(query, { 'X-Own': '1' })).toEqual({ data: { ok: true } });
    expect(sent.map((one) => one.headers)).toEqual([{ 'x-api-key': KEY }, { 'X-Own': '1', 'x-api-key': KEY }]);
    expect(JSON.stringify([session, session.state(), Object.entries(session)])).not.toContain(KEY.slice(35, 80));
    expect(session.redact(`x ${KEY} y`)).toBe('x  y');
  });

  it('is not sent anywhere when it cannot be one', async () => {
    for (const text of ['', 'pa_live_', KEY.slice(1), `${KEY}0`, KEY.toUpperCase()]) {
      expect(await session.takeKey(text)).toMatchObject({ ok: false });
    }
    expect(sent).toEqual([]);
  });

  it('is not kept when the server refuses it or cannot be reached', async () => {
    valid = false;
    expect(await session.takeKey(KEY)).toEqual({ ok: false, messages: ['expired'] });
    expect(session.state().status).toBe('signedOut');
    const broken = new Session(async () => {
      throw new TransportError('No connection.');
    });
    expect(await broken.takeKey(KEY)).toEqual({ ok: false, messages: ['No connection.'] });
    expect(await new Session(async () => ({ data: {} })).takeKey(KEY)).toMatchObject({ ok: false });
  });

  it('is forgotten when the person says so, without a word to the server', async () => {
    await session.takeKey(KEY);
    await session.signOut();
    expect(session.state()).toEqual({ status: 'signedOut', notice: null });
    await session.request(query, {});
    expect(sent.map((one) => one.headers)).toEqual([{ 'x-api-key': KEY }, {}]);
  });

  it('is forgotten, with a word about it, when it is refused later', async () => {
    await session.takeKey(KEY);
    valid = false;
    expect(await session.request(query, {})).toEqual(INVALID);
    expect(session.state()).toMatchObject({ status: 'signedOut', notice: expect.stringContaining('not valid any more') });
    expect(sent).toHaveLength(2);
  });

  it('gives way to a header that the person wrote', async () => {
    await session.takeKey(KEY);
    await session.request(query, { Authorization: 'Bearer mine' });
    await session.request(query, { 'X-API-Key': 'mine' });
    expect(sent.slice(1).map((one) => one.headers)).toEqual([{ Authorization: 'Bearer mine' }, { 'X-API-Key': 'mine' }]);
  });
});
