// The demo sign-ins, if the server offers any: `payaid dev` serves them, a production server does not.

export interface DemoAccount {
  label: string;
  email: string;
  password: string;
}

export async function loadDemoAccounts(fetchImpl: typeof fetch = (...args) => fetch(...args)): Promise<DemoAccount[]> {
  try {
    const response = await fetchImpl(`${import.meta.env.BASE_URL}config.json`, {
      credentials: 'omit',
      headers: { accept: 'application/json' },
    });
    if (!response.ok) return [];
    const config: unknown = await response.json();
    const list = (config as { demoAccounts?: unknown } | null)?.demoAccounts;
    return Array.isArray(list) ? list.filter(isDemoAccount) : [];
  } catch {
    return [];
  }
}

function isDemoAccount(value: unknown): value is DemoAccount {
  if (typeof value !== 'object' || value === null) return false;
  const { label, email, password } = value as Record<string, unknown>;
  return typeof label === 'string' && typeof email === 'string' && typeof password === 'string';
}
