// The GraphQL operations which the explorer itself sends, and the shapes of their answers.

export const SIGN_IN = `mutation ExplorerSignIn($email: String!, $password: String!) {
  signIn(input: { email: $email, password: $password }) {
    accessToken
    refreshToken
    expiresAt
    viewer { user { name email } organization { name } role }
    userErrors { code field message }
  }
}`;

export const REFRESH = `mutation ExplorerRefresh($refreshToken: String!) {
  sessionRefresh(input: { refreshToken: $refreshToken }) {
    accessToken
    refreshToken
    expiresAt
    userErrors { code field message }
  }
}`;

export const SIGN_OUT = `mutation ExplorerSignOut {
  signOut { success userErrors { code message } }
}`;

/** Answered to every valid API key, whatever its scopes. */
export const ASK_KEY = `query ExplorerApiKey {
  viewer { role permissions }
}`;

export interface UserError {
  code?: string | null;
  field?: string | string[] | null;
  message: string;
}

export interface Tokens {
  accessToken?: string | null;
  refreshToken?: string | null;
  expiresAt?: string | null;
  userErrors?: UserError[] | null;
}

export interface Viewer {
  user?: { name?: string | null; email?: string | null } | null;
  organization?: { name?: string | null } | null;
  role?: string | null;
}

export interface SignInData {
  signIn?: (Tokens & { viewer?: Viewer | null }) | null;
}

export interface ApiKeyData {
  viewer?: { role?: string | null } | null;
}

export interface RefreshData {
  sessionRefresh?: Tokens | null;
}
