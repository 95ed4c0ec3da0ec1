// Tests of the HTTP side: headers, and the words for failures.
import { describe, expect, it, vi } from 'vitest';
import { httpSend } from './transport';

function answering(body: string, status = 200) {
  return vi.fn<typeof fetch>(async () => new Response(body, { status }));
}

describe('httpSend', () => {
  it('posts JSON to /graphql and asks for a GraphQL response, without cookies', async () => {
    const fetchImpl = answering('{"data":{"a":1}}');
    const answer = await httpSend(fetchImpl)({ query: '{ a }' }, { Authorization: 'Bearer t', 'X-Own': '1' });
    expect(answer).toEqual({ data: { a: 1 } });
    expect(fetchImpl).toHaveBeenCalledWith('/graphql', expect.objectContaining({
      method: 'POST',
      credentials: 'omit',
      body: '{"query":"{ a }"}',
      headers: {
        accept: 'application/graphql-response+json',
        'content-type': 'application/json',
        authorization: 'Bearer t',
        'x-own': '1',
      },
    }));
  });

  it('reads GraphQL errors whatever the HTTP status', async () => {
    const answer = await httpSend(answering('{"errors":[{"message":"no"}]}', 400))({ query: '{' }, {});
    expect(answer.errors?.[0]?.message).toBe('no');
  });

  it('puts other failures into words', async () => {
    const offline = httpSend(vi.fn<typeof fetch>(async () => Promise.reject(new TypeError('x'))));
    await expect(offline({ query: '{ a }' }, {})).rejects.toThrow('could not be reached');
    await expect(httpSend(answering('<h1>Bad gateway</h1>', 502))({ query: '{ a }' }, {})).rejects.toThrow('status 502');
    await expect(httpSend(answering('null'))({ query: '{ a }' }, {})).rejects.toThrow('status 200');
  });
});
