// The entry of the explorer: style sheets, and the page into #root.
import 'graphiql/style.css';
import './ui/page.css';
import './ui/graphiql.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app';

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
