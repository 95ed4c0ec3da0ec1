// The sign-in form, in a modal dialog, or in its place the one for an API key. Password and key live in the form's field only.
import { type FormEvent, useId, useLayoutEffect, useRef, useState } from 'react';
import type { DemoAccount } from '../demo-accounts';
import type { SignInResult } from '../session/session';

interface Props {
  demoAccounts: DemoAccount[];
  notice: string | null;
  signIn: (email: string, password: string) => Promise<SignInResult>;
  takeKey: (key: string) => Promise<SignInResult>;
  onClose: () => void;
}

export function SignInDialog({ demoAccounts, notice, signIn, takeKey, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const firstField = useRef<HTMLInputElement>(null);
  const [byKey, setByKey] = useState(false);
  const [busy, setBusy] = useState(false);
  const [messages, setMessages] = useState<string[]>([]);
  const id = useId();

  // A layout effect: closing while the dialog is still in the page gives the focus back to the opener.
  useLayoutEffect(() => {
    const element = dialog.current;
    if (!element) return;
    element.showModal();
    firstField.current?.focus();
    return () => element.close();
  }, []);

  // Where one form takes the other's place, its first field has the focus.
  useLayoutEffect(() => firstField.current?.focus(), [byKey]);

  const attempt = async (trying: Promise<SignInResult>) => {
    setBusy(true);
    setMessages([]);
    const result = await trying;
    setBusy(false);
    if (result.ok) return onClose();
    setMessages(result.messages);
    firstField.current?.focus();
  };

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (busy) return;
    const form = new FormData(event.currentTarget);
    const given = (name: string) => String(form.get(name) ?? '');
    if (byKey) return void attempt(takeKey(given('api-key')));
    const email = given('email').trim();
    const password = given('password');
    if (email === '' || password === '') {
      setMessages(['Enter your e-mail address and your password.']);
      firstField.current?.focus();
      return;
    }
    void attempt(signIn(email, password));
  };

  const change = () => {
    setMessages([]);
    setByKey(!byKey);
  };

  const failed = messages.length > 0;
  return (
    <dialog
      ref={dialog}
      className="sign-in"
      aria-labelledby={`${id}-title`}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <h2 id={`${id}-title`}>{byKey ? 'Use an API key' : 'Sign in'}</h2>
      <p className="hint">
        {byKey
          ? 'Queries then run with the scopes of the key. It is kept in this page alone, until you forget it or reload.'
          : (notice ?? 'Use your PayAid account. Queries then run with your rights.')}
      </p>
      <form onSubmit={submit} noValidate aria-busy={busy}>
        {byKey ? (
          <>
            <label htmlFor={`${id}-api-key`}>API key</label>
            <input
              ref={firstField}
              id={`${id}-api-key`}
              name="api-key"
              type="password"
              placeholder="pa_live_…"
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              aria-invalid={failed}
              aria-describedby={`${id}-errors`}
            />
          </>
        ) : (
          <>
            <label htmlFor={`${id}-email`}>E-mail</label>
            <input
              ref={firstField}
              id={`${id}-email`}
              name="email"
              type="email"
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              aria-invalid={failed}
              aria-describedby={`${id}-errors`}
            />
            <label htmlFor={`${id}-password`}>Password</label>
            <input
              id={`${id}-password`}
              name="password"
              type="password"
              autoComplete="current-password"
              aria-invalid={failed}
              aria-describedby={`${id}-errors`}
            />
          </>
        )}
        <div id={`${id}-errors`} className="errors" role="alert" aria-live="assertive">
          {messages.map((message, index) => (
            <p key={index}>{message}</p>
          ))}
        </div>
        <button type="submit" className="button button-strong button-wide" aria-disabled={busy}>
          {byKey ? (busy ? 'Asking…' : 'Use this key') : busy ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
      {!byKey && demoAccounts.length > 0 && (
        <section className="demo" aria-labelledby={`${id}-demo`}>
          <h3 id={`${id}-demo`}>Demo accounts</h3>
          <ul>
            {demoAccounts.map((account) => (
              <li key={account.email}>
                <button
                  type="button"
                  className="demo-account"
                  aria-disabled={busy}
                  onClick={() => {
                    if (!busy) void attempt(signIn(account.email, account.password));
                  }}
                >
                  <span>{account.label}</span> <span className="demo-email">{account.email}</span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
      <button type="button" className="button-plain" onClick={change}>
        {byKey ? 'Sign in with your account instead' : 'Use an API key instead'}
      </button>
      <button type="button" className="button-plain" onClick={onClose}>
        Continue without signing in
      </button>
    </dialog>
  );
}
