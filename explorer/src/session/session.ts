// The session of the explorer: keeps the tokens in memory, puts them on requests, renews them in time; or keeps an
// API key in their place, which is only put on requests. Both live in private fields only. They are never stored, never logged, never part of the state
// which the page renders, and they are gone when the page is closed or reloaded.
import { ASK_KEY, REFRESH, SIGN_IN, SIGN_OUT } from './operations';
import type { ApiKeyData, RefreshData, SignInData, Tokens, UserError, Viewer } from './operations';
import { type Credentials, answers } from './subscription';
import { errorText, hasInvalidToken } from './transport';
import type { GraphQLAnswer, GraphQLRequest, Headers, Send } from './transport';

/** What the page may know about the session. */
export type SessionState =
  | { status: 'signedOut'; notice: string | null }
  | { status: 'signedIn'; name: string; email: string; organization: string; role: string }
  | { status: 'usingKey'; label: string };

export type SignInResult = { ok: true } | { ok: false; messages: string[] };

/** The clock, replaceable in tests. */
export interface Clock {
  now(): number;
  setTimer(run: () => void, delay: number): unknown;
  clearTimer(timer: unknown): void;
}

const systemClock: Clock = {
  now: () => Date.now(),
  setTimer: (run, delay) => setTimeout(run, delay),
  clearTimer: (timer) => clearTimeout(timer as number),
};

/** How long before `expiresAt` the tokens are renewed. */
export const REFRESH_MARGIN = 30_000;
/** The least time between two renewals by timer, so that a wrong clock cannot make a busy loop. */
export const REFRESH_FLOOR = 10_000;
/** Browsers keep timers in 32 bits; a longer wait is cut into pieces. */
const LONGEST_TIMER = 2 ** 31 - 1;

const ENDED = 'Your session has ended. Sign in again to go on.';
const KEY_ENDED = 'The API key is not valid any more. Sign in or use another one to go on.';

/** What every key of this API looks like. The server alone knows whether it is valid. */
const API_KEY = /^pa_live_[0-7][0-9a-hjkmnp-tv-z]{25}_[0-9A-Za-z]{49}$/;

interface Keys {
  accessToken: string;
  refreshToken: string;
  expiresAt: number;
}

export class Session {
  #keys: Keys | null = null;
  #apiKey: string | null = null;
  #state: SessionState = { status: 'signedOut', notice: null };
  #timer: unknown = null;
  #refreshing: Promise<boolean> | null = null;
  readonly #listeners = new Set<() => void>();
  readonly #send: Send;
  readonly #clock: Clock;

  constructor(send: Send, clock: Clock = systemClock) {
    this.#send = send;
    this.#clock = clock;
  }

  readonly state = (): SessionState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Takes every token and key out of `text`, for whatever is about to be stored. */
  readonly redact = (text: string): string => {
    if (this.#apiKey !== null) return text.replaceAll(this.#apiKey, '');
    if (this.#keys === null) return text;
    return text.replaceAll(this.#keys.accessToken, '').replaceAll(this.#keys.refreshToken, '');
  };

  async signIn(email: string, password: string): Promise<SignInResult> {
    let answer: GraphQLAnswer<SignInData>;
    try {
      answer = (await this.#send({ query: SIGN_IN, variables: { email, password } }, {})) as typeof answer;
    } catch (error) {
      return { ok: false, messages: [errorText(error)] };
    }
    const payload = answer.data?.signIn;
    const messages = failures(answer, payload?.userErrors);
    const keys = readKeys(payload);
    if (messages.length > 0) return { ok: false, messages };
    if (keys === null) return { ok: false, messages: ['The server answered without a session.'] };
    this.#keep(keys);
    this.#become(describe(payload?.viewer, email));
    return { ok: true };
  }

  /** Goes on with an API key, if the server takes it. */
  async takeKey(text: string): Promise<SignInResult> {
    const key = text.trim();
    if (!API_KEY.test(key)) return { ok: false, messages: ['This is not an API key. One begins with pa_live_ and has 84 characters.'] };
    let answer: GraphQLAnswer<ApiKeyData>;
    try {
      answer = (await this.#send({ query: ASK_KEY }, { 'x-api-key': key })) as typeof answer;
    } catch (error) {
      return { ok: false, messages: [errorText(error)] };
    }
    const messages = failures(answer, null);
    if (messages.length > 0) return { ok: false, messages };
    if (!answer.data?.viewer) return { ok: false, messages: ['The server answered without a word about the key.'] };
    this.#apiKey = key;
    this.#become({ status: 'usingKey', label: `pa_live_…${key.slice(-4)}` });
    return { ok: true };
  }

  /** Ends the session here at once, and at the server if it can be reached; an API key is only forgotten. */
  async signOut(): Promise<void> {
    if (this.#apiKey !== null) this.#forget(null);
    if (this.#keys === null) return;
    try {
      await this.request({ query: SIGN_OUT }, {});
    } catch {
      // The tokens are forgotten below in any case, and they expire at the server.
    } finally {
      this.#forget(null);
    }
  }

  /**
   * Sends a request with the access token. When the server refuses the token, it is renewed and the
   * request sent once more. With an API key there is nothing to renew: when it is refused, it is forgotten.
   * An Authorization or X-API-Key header given by the caller is left as it is, and goes alone.
   */
  async request(request: GraphQLRequest, headers: Headers): Promise<GraphQLAnswer> {
    const own = Object.keys(headers).some((name) => ['authorization', 'x-api-key'].includes(name.toLowerCase()));
    const used = this.#keys;
    const key = this.#apiKey;
    if (!own && key !== null) {
      const answer = await this.#send(request, { ...headers, 'x-api-key': key });
      if (hasInvalidToken(answer) && this.#apiKey === key) this.#forget(KEY_ENDED);
      return answer;
    }
    if (own || used === null) return this.#send(request, headers);

    const answer = await this.#send(request, bearer(used, headers));
    if (!hasInvalidToken(answer)) return answer;
    // Another request may have renewed the tokens while this one was under way.
    const renewed = this.#keys !== used ? this.#keys !== null : await this.#refresh();
    const keys: Keys | null = this.#keys;
    if (!renewed || keys === null) return answer;
    return this.#send(request, bearer(keys, headers));
  }

  /** What comes of a subscription, from now on until nobody asks for more. A socket ends with its token, so a fresh one is got where that is about to end. */
  async *watch(request: GraphQLRequest): AsyncGenerator<GraphQLAnswer, void> {
    const near = this.#keys !== null && this.#keys.expiresAt - this.#clock.now() < REFRESH_MARGIN;
    if (near) await this.#refresh();
    const credentials: Credentials = {};
    if (this.#apiKey !== null) credentials['apiKey'] = this.#apiKey;
    else if (this.#keys !== null) credentials['authorization'] = `Bearer ${this.#keys.accessToken}`;
    yield* answers(request, credentials);
  }

  /** Renews the tokens; calls that overlap share one request, as a refresh token is good only once. */
  #refresh(): Promise<boolean> {
    this.#refreshing ??= this.#refreshOnce().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #refreshOnce(): Promise<boolean> {
    const old = this.#keys;
    if (old === null) return false;
    let answer: GraphQLAnswer<RefreshData>;
    try {
      const request = { query: REFRESH, variables: { refreshToken: old.refreshToken } };
      answer = (await this.#send(request, {})) as typeof answer;
    } catch {
      // The network may come back: keep the session and try again.
      if (this.#keys === old) this.#schedule(REFRESH_FLOOR);
      return false;
    }
    // Signed out, or signed in anew, in the meantime: these tokens are nobody's any more.
    if (this.#keys !== old) return false;
    const payload = answer.data?.sessionRefresh;
    const keys = readKeys(payload);
    if (keys === null || failures(answer, payload?.userErrors).length > 0) {
      // A fault of the server may pass while the tokens are still good; a refusal is final.
      const refused = (payload?.userErrors ?? []).length > 0 || hasInvalidToken(answer);
      if (!refused && this.#clock.now() < old.expiresAt) this.#schedule(REFRESH_FLOOR);
      else this.#forget(ENDED);
      return false;
    }
    this.#keep(keys);
    return true;
  }

  #keep(keys: Keys): void {
    this.#keys = keys;
    this.#schedule(Math.max(keys.expiresAt - this.#clock.now() - REFRESH_MARGIN, REFRESH_FLOOR));
  }

  #schedule(delay: number): void {
    this.#clock.clearTimer(this.#timer);
    const piece = Math.min(delay, LONGEST_TIMER);
    this.#timer = this.#clock.setTimer(() => {
      if (delay > piece) this.#schedule(delay - piece);
      else void this.#refresh();
    }, piece);
  }

  #forget(notice: string | null): void {
    this.#clock.clearTimer(this.#timer);
    this.#timer = null;
    this.#keys = null;
    this.#apiKey = null;
    this.#become({ status: 'signedOut', notice });
  }

  #become(state: SessionState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

function bearer(keys: Keys, headers: Headers): Headers {
  return { ...headers, authorization: `Bearer ${keys.accessToken}` };
}

/** Everything that went wrong in an answer, in the server's words. */
function failures(answer: GraphQLAnswer, userErrors: UserError[] | null | undefined): string[] {
  const fromUser = (userErrors ?? []).map((error) => error.message);
  return fromUser.length > 0 ? fromUser : (answer.errors ?? []).map((error) => error.message);
}

function readKeys(tokens: Tokens | null | undefined): Keys | null {
  const { accessToken, refreshToken, expiresAt } = tokens ?? {};
  if (!accessToken || !refreshToken || !expiresAt) return null;
  const instant = Date.parse(expiresAt);
  return Number.isNaN(instant) ? null : { accessToken, refreshToken, expiresAt: instant };
}

function describe(viewer: Viewer | null | undefined, email: string): SessionState {
  return {
    status: 'signedIn',
    name: viewer?.user?.name || viewer?.user?.email || email,
    email: viewer?.user?.email || email,
    organization: viewer?.organization?.name ?? '',
    role: viewer?.role ?? '',
  };
}
