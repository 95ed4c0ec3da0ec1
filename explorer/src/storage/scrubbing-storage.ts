// The storage given to GraphiQL: the browser's localStorage, but nothing secret is ever written to it.
// GraphiQL keeps its tabs and history there. Its history also keeps the headers of each request, and a
// query or its variables may hold a password or a token typed by hand; all of these are taken out.

/**
 * A password or token written out in a query or in JSON variables, however deep its quotes are escaped.
 * Both "strings" and """block strings""" count; what is left stays well-formed.
 */
const SECRET = /((?:password|accessToken|refreshToken)\w*\\*"?\s*:\s*(?:(\\*)"\2"\2"|\\*"))(?:(?!\\*").)+/gi;
/** An API key anywhere: what comes after its id is the secret, however much of it is there. */
const API_KEY = /(pa_live_[0-9a-z]{26}_)\w+/g;
/** A bearer token anywhere. */
const BEARER = /(bearer\s+)[\w.~+/=-]+/gi;

export function scrub(text: string, redact: (text: string) => string): string {
  return redact(withoutHeaders(text)).replace(SECRET, '$1').replace(BEARER, '$1').replace(API_KEY, '$1');
}

function withoutHeaders(text: string): string {
  if (!text.includes('"headers"')) return text;
  try {
    return JSON.stringify(JSON.parse(text), (key, value: unknown) => {
      if (key !== 'headers') return value;
      return value === null ? null : '';
    });
  } catch {
    // Not JSON: the text of a query.
    return text;
  }
}

/** A `Storage` for GraphiQL over `base`. Without a usable base (storage blocked) nothing is kept. */
export function scrubbingStorage(base: () => Storage, redact: (text: string) => string): Storage {
  const attempt = <T>(run: (storage: Storage) => T, otherwise: T): T => {
    let storage: Storage;
    try {
      storage = base();
    } catch {
      return otherwise;
    }
    return run(storage);
  };
  return {
    get length() {
      return attempt((storage) => storage.length, 0);
    },
    key: (index) => attempt((storage) => storage.key(index), null),
    getItem: (key) => attempt((storage) => storage.getItem(key), null),
    setItem(key, value) {
      if (key === 'graphiql:headers') return;
      attempt((storage) => storage.setItem(key, scrub(value, redact)), undefined);
    },
    removeItem: (key) => attempt((storage) => storage.removeItem(key), undefined),
    clear() {
      attempt((storage) => {
        const keys = Array.from({ length: storage.length }, (_, index) => storage.key(index));
        for (const key of keys) if (key?.startsWith('graphiql:')) storage.removeItem(key);
      }, undefined);
    },
  };
}
