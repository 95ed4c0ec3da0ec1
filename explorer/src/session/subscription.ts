// One subscription over a WebSocket of its own, as answers that come one after another; by the protocol graphql-transport-ws.
import { ENDPOINT, TransportError } from './transport';
import type { GraphQLAnswer, GraphQLRequest } from './transport';

/** What `connection_init` carries: the token or API key. */
export type Credentials = Record<string, string>;

/** Whether the operation that is to be run is a subscription. A document with others beside it is told apart by the name. */
export function isSubscription({ query, operationName }: GraphQLRequest): boolean {
  const plain = query.replace(/"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|#.*/g, '');
  const found = [...plain.matchAll(/(?:^|[}\s])(query|mutation|subscription)\s*([_A-Za-z]\w*)?\s*[({@]/g)];
  const meant = found.find(([, , name]) => name === operationName) ?? (found.length === 1 ? found[0] : undefined);
  return meant?.[1] === 'subscription';
}

interface Message {
  type: string;
  payload?: unknown;
}

/** Subscribes, and ends the subscription when nobody asks for more. */
export async function* answers(
  request: GraphQLRequest,
  credentials: Credentials,
  open: (address: string) => WebSocket = (address) => new WebSocket(address, 'graphql-transport-ws'),
): AsyncGenerator<GraphQLAnswer, void> {
  const address = new URL(ENDPOINT, window.location.href);
  address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = open(address.href);
  const heard: (Message | Error)[] = [];
  let wake: () => void = () => undefined;
  const put = (item: Message | Error) => {
    heard.push(item);
    wake();
  };
  socket.onopen = () => socket.send(JSON.stringify({ type: 'connection_init', payload: credentials }));
  socket.onmessage = (event) => put(JSON.parse(String(event.data)) as Message);
  socket.onclose = (event) => put(new TransportError(event.reason || 'The connection to the server was lost. Run the subscription again.'));
  try {
    for (;;) {
      const next = heard.shift();
      if (next === undefined) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      if (next instanceof Error) throw next;
      if (next.type === 'connection_ack') socket.send(JSON.stringify({ id: 'explorer', type: 'subscribe', payload: request }));
      if (next.type === 'ping') socket.send(JSON.stringify({ type: 'pong' }));
      if (next.type === 'next') yield next.payload as GraphQLAnswer;
      if (next.type === 'error') yield { errors: next.payload } as GraphQLAnswer;
      if (next.type === 'error' || next.type === 'complete') return;
    }
  } finally {
    socket.onclose = null;
    socket.close(1000);
  }
}
