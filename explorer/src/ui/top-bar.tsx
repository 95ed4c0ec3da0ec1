// The bar at the top: the product's name, and who is signed in or which API key is used.
import { useState } from 'react';
import type { SessionState } from '../session/session';

interface Props {
  state: SessionState;
  onSignIn: () => void;
  onSignOut: () => Promise<void>;
}

export function TopBar({ state, onSignIn, onSignOut }: Props) {
  const [leaving, setLeaving] = useState(false);
  const signOut = () => {
    if (leaving) return;
    setLeaving(true);
    void onSignOut().finally(() => setLeaving(false));
  };

  return (
    <header className="top-bar">
      <h1 className="brand">
        <Mark />
        <span className="brand-name">PayAid</span> <span className="brand-rest">GraphQL explorer</span>
      </h1>
      <div className="who" role="status" aria-live="polite">
        {state.status === 'usingKey' ? (
          <p className="who-text">
            <span className="who-lead">API key </span>
            <strong>{state.label}</strong>
          </p>
        ) : state.status === 'signedIn' ? (
          <p className="who-text">
            <span className="who-lead">Signed in as </span>
            <strong title={state.email}>{state.name}</strong>
            <span className="who-place">
              {state.organization && (
                <span className="who-organization">
                  <span className="who-lead"> of </span>
                  {state.organization}
                </span>
              )}
              {state.role && (
                <>
                  <span className="only-read">, role </span>
                  <span className="role">{readable(state.role)}</span>
                </>
              )}
            </span>
          </p>
        ) : (
          <p className="who-text">{state.notice ?? <span className="who-lead">Not signed in</span>}</p>
        )}
      </div>
      {state.status !== 'signedOut' ? (
        <button type="button" className="button" onClick={signOut} aria-disabled={leaving}>
          {state.status === 'usingKey' ? 'Forget key' : leaving ? 'Signing out…' : 'Sign out'}
        </button>
      ) : (
        <button type="button" className="button button-strong" onClick={onSignIn}>
          Sign in
        </button>
      )}
    </header>
  );
}

/** `SALES_MANAGER` as `Sales manager`. */
function readable(role: string): string {
  const words = role.replaceAll('_', ' ').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="7" />
      <path d="M11 7.5c-2.6 0-3 1.500-3 3.300v2.400c0 1.500-.6 2.400-2 2.800 1.400.4 2 1.300 2 2.800v2.400c0 1.800.4 3.300 3 3.300M21 7.5c2.6 0 3 1.500 3 3.300v2.400c0 1.500.6 2.400 2 2.800-1.400.4-2 1.300-2 2.800v2.400c0 1.800-.4 3.300-3 3.300" />
      <circle cx="16" cy="16" r="3.6" />
    </svg>
  );
}
