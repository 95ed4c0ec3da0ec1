// One GraphQL request over HTTP, and how its failures are put into words.

export const ENDPOINT = '/graphql';

export interface GraphQLRequest {
  query: string;
  variables?: unknown;
  operationName?: string | null | undefined;
}

export interface GraphQLAnswer<Data = unknown> {
  data?: Data | null;
  errors?: { message: string; extensions?: { code?: unknown } }[];
}

export type Headers = Record<string, string>;

export type Send = (request: GraphQLRequest, headers: Headers) => Promise<GraphQLAnswer>;

/** A failure below GraphQL: no connection, or an answer that is not a GraphQL answer. */
export class TransportError extends Error {
  override name = 'TransportError';
}

/** Sends requests with `fetch`. Headers given by the caller come last and win, whatever their case. */
export function httpSend(fetchImpl: typeof fetch = (...args) => fetch(...args)): Send {
  return async (request, extra) => {
    const headers: Headers = {
      accept: 'application/graphql-response+json',
      'content-type': 'application/json',
    };
    for (const [name, value] of Object.entries(extra)) headers[name.toLowerCase()] = String(value);

    let response: Response;
    try {
      response = await fetchImpl(ENDPOINT, {
        method: 'POST',
        headers,
        body: JSON.stringify(request),
        // Tokens travel in the Authorization header only.
        credentials: 'omit',
        cache: 'no-store',
        referrerPolicy: 'no-referrer',
      });
    } catch {
      throw new TransportError('The server could not be reached. Check your connection and try again.');
    }

    const text = await response.text().catch(() => '');
    let answer: unknown;
    try {
      answer = JSON.parse(text);
    } catch {
      answer = null;
    }
    if (typeof answer !== 'object' || answer === null || !('data' in answer || 'errors' in answer)) {
      throw new TransportError(`The server answered with status ${response.status} and no GraphQL result.`);
    }
    return answer as GraphQLAnswer;
  };
}

/** Whether the server refused the access token of a request. */
export function hasInvalidToken(answer: GraphQLAnswer): boolean {
  return (answer.errors ?? []).some((error) => error.extensions?.code === 'INVALID_TOKEN');
}

/** The text to show for anything that was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error && error.message ? error.message : 'Something went wrong. Try again.';
}
