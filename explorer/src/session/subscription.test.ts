import { describe, expect, it, vi } from 'vitest';
import { answers, isSubscription } from './subscription';

class FakeSocket {
  readonly sent: { type: string }[] = [];
  closed = false;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { reason: string }) => void) | null = null;
  send(text: string): void {
    this.sent.push(JSON.parse(text) as { type: string });
  }
  close(): void {
    this.closed = true;
  }
  hear(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

function begin() {
  vi.stubGlobal('window', { location: { href: 'https://api.example.in/graphiql/' } });
  const socket = new FakeSocket();
  const addresses: string[] = [];
  const open = (address: string) => {
    addresses.push(address);
    return socket as unknown as WebSocket;
  };
  const all = answers({ query: 'subscription { changed { kind } }' }, { authorization: 'Bearer t' }, open);
  return { socket, addresses, all };
}

describe('answers', () => {
  it('subscribes once it is let in, and gives what comes until it is left', async () => {
    const { socket, addresses, all } = begin();
    const first = all.next();
    expect(addresses).toEqual(['wss://api.example.in/graphql']);
    socket.onopen?.();
    socket.hear({ type: 'connection_ack' });
    socket.hear({ type: 'ping' });
    socket.hear({ type: 'next', id: 'explorer', payload: { data: { changed: { kind: 'CREATED' } } } });
    expect((await first).value).toEqual({ data: { changed: { kind: 'CREATED' } } });
    expect(socket.sent.map((message) => message.type)).toEqual(['connection_init', 'subscribe', 'pong']);
    await all.return();
    expect(socket.closed).toBe(true);
  });

  it('shows why it was refused, and that the connection was lost', async () => {
    const refused = begin();
    const answer = refused.all.next();
    refused.socket.hear({ type: 'error', id: 'explorer', payload: [{ message: 'No.' }] });
    expect((await answer).value).toEqual({ errors: [{ message: 'No.' }] });
    expect((await refused.all.next()).done).toBe(true);

    const lost = begin();
    const nothing = lost.all.next();
    lost.socket.onclose?.({ reason: '' });
    await expect(nothing).rejects.toThrow('connection to the server was lost');
  });
});

describe('isSubscription', () => {
  it('looks at the operation that is meant', () => {
    expect(isSubscription({ query: 'subscription { changed { kind } }' })).toBe(true);
    expect(isSubscription({ query: '# subscription {\nquery A { viewer { role } }' })).toBe(false);
    expect(isSubscription({ query: '{ contacts(search: "subscription A {") { totalCount } }' })).toBe(false);
    const both = 'query A { viewer { role } } subscription B($n: [String!]) { changed(nouns: $n) { kind } }';
    expect(isSubscription({ query: both, operationName: 'A' })).toBe(false);
    expect(isSubscription({ query: both, operationName: 'B' })).toBe(true);
  });
});
