import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/requests.css';
import './styles/requesttable.css';
import './styles/request.css';
import './styles/waterfall.css';
import './styles/details.css';
import { QueryClientProvider } from '@tanstack/preact-query';
import { render } from 'preact';
import { createQueryClient } from './api/queries.ts';
import { App } from './app.tsx';

const root = document.getElementById('app');
if (root) {
  render(
    <QueryClientProvider client={createQueryClient()}>
      <App />
    </QueryClientProvider>,
    root,
  );
}
