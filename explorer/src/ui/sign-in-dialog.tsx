// The sign-in form, in a modal dialog. The password lives in the form's field only.
import { type FormEvent, useId, useLayoutEffect, useRef, useState } from 'react';
import type { DemoAccount } from '../demo-accounts';
import type { SignInResult } from '../session/session';

interface Props {
  demoAccounts: DemoAccount[];
  notice: string | null;
  signIn: (email: string, password: string) => Promise<SignInResult>;
  onClose: () => void;
}

export function SignInDialog({ demoAccounts, notice, signIn, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const emailField = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const [messages, setMessages] = useState<string[]>([]);
  const id = useId();

  // A layout effect: closing while the dialog is still in the page gives the focus back to the opener.
  useLayoutEffect(() => {
    const element = dialog.current;
    if (!element) return;
    element.showModal();
    emailField.current?.focus();
    return () => element.close();
  }, []);

  const attempt = async (email: string, password: string) => {
    setBusy(true);
    setMessages([]);
    const result = await signIn(email, password);
    setBusy(false);
    if (result.ok) return onClose();
    setMessages(result.messages);
    emailField.current?.focus();
  };

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (busy) return;
    const form = new FormData(event.currentTarget);
    const email = String(form.get('email') ?? '').trim();
    const password = String(form.get('password') ?? '');
    if (email === '' || password === '') {
      setMessages(['Enter your e-mail address and your password.']);
      emailField.current?.focus();
      return;
    }
    void attempt(email, password);
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
      <h2 id={`${id}-title`}>Sign in</h2>
      <p className="hint">{notice ?? 'Use your PayAid account. Queries then run with your rights.'}</p>
      <form onSubmit={submit} noValidate aria-busy={busy}>
        <label htmlFor={`${id}-email`}>E-mail</label>
        <input
          ref={emailField}
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
        <div id={`${id}-errors`} className="errors" role="alert" aria-live="assertive">
          {messages.map((message, index) => (
            <p key={index}>{message}</p>
          ))}
        </div>
        <button type="submit" className="button button-strong button-wide" aria-disabled={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
      {demoAccounts.length > 0 && (
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
                    if (!busy) void attempt(account.email, account.password);
                  }}
                >
                  <span>{account.label}</span> <span className="demo-email">{account.email}</span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
      <button type="button" className="button-plain" onClick={onClose}>
        Continue without signing in
      </button>
    </dialog>
  );
}
