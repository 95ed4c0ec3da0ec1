// The page: top bar, sign-in dialog and GraphiQL, all around one session.
import { GraphiQL, type GraphiQLProps } from 'graphiql';
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { DEFAULT_QUERY } from './default-query';
import { type DemoAccount, loadDemoAccounts } from './demo-accounts';
import { Session } from './session/session';
import { isSubscription } from './session/subscription';
import { errorText, httpSend } from './session/transport';
import { scrubbingStorage } from './storage/scrubbing-storage';
import { SignInDialog } from './ui/sign-in-dialog';
import { TopBar } from './ui/top-bar';

const session = new Session(httpSend());
const storage = scrubbingStorage(() => window.localStorage, session.redact);

function makeFetcher(): GraphiQLProps['fetcher'] {
  return async (request, options) => {
    if (isSubscription(request)) return session.watch(request) as AsyncGenerator<object, void>;
    try {
      return (await session.request(request, options?.headers ?? {})) as object;
    } catch (error) {
      return { errors: [{ message: errorText(error) }] };
    }
  };
}

export function App() {
  const state = useSyncExternalStore(session.subscribe, session.state);
  const [demoAccounts, setDemoAccounts] = useState<DemoAccount[]>([]);
  const [dialogOpen, setDialogOpen] = useState(true);
  const [round, setRound] = useState(0);
  const signedIn = state.status !== 'signedOut';
  const wasSignedIn = useRef(false);

  useEffect(() => {
    void loadDemoAccounts().then(setDemoAccounts);
  }, []);

  // Whatever was read under one sign-in leaves the screen with it: GraphiQL starts afresh.
  useEffect(() => {
    if (wasSignedIn.current && !signedIn) setRound((one) => one + 1);
    wasSignedIn.current = signedIn;
  }, [signedIn]);

  // A new fetcher makes GraphiQL read the schema again, which a server may show to signed-in people only.
  const fetcher = useMemo(makeFetcher, [signedIn]);

  return (
    <div className="page">
      <TopBar state={state} onSignIn={() => setDialogOpen(true)} onSignOut={() => session.signOut()} />
      <main className="page-main">
        <GraphiQL
          key={round}
          fetcher={fetcher}
          storage={storage}
          defaultQuery={DEFAULT_QUERY}
          shouldPersistHeaders={false}
        >
          <GraphiQL.Logo>
            <span />
          </GraphiQL.Logo>
        </GraphiQL>
      </main>
      {dialogOpen && !signedIn && (
        <SignInDialog
          demoAccounts={demoAccounts}
          notice={state.notice}
          signIn={(email, password) => session.signIn(email, password)}
          takeKey={(key) => session.takeKey(key)}
          onClose={() => setDialogOpen(false)}
        />
      )}
    </div>
  );
}
