/** How the staff and enrolment screens look: buttons, fields, notes, cards. Colours come from theme.css. */
import { css, html, nothing, type TemplateResult } from 'lit'

export const look = css`
  :host {
    display: block;
    color: var(--ink);
    font: 1rem/1.45 var(--font);
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  h1,
  h2,
  h3,
  p,
  ul,
  ol,
  dl,
  dd,
  figure {
    margin: 0;
    padding: 0;
  }
  ul,
  ol {
    list-style: none;
  }
  h1 {
    font-size: 1.6rem;
    line-height: 1.2;
    text-wrap: balance;
  }
  h2 {
    font-size: 1.15rem;
  }
  a {
    color: var(--accent);
  }
  /* Of a screen: what it is for, and the way to where one came from. */
  .intro {
    margin: var(--space-2) 0 var(--space-4);
    max-width: 44rem;
  }
  .back {
    display: inline-flex;
    align-items: center;
    min-height: var(--touch);
  }
  .soft {
    color: var(--ink-quiet);
  }
  .small {
    font-size: 0.9rem;
  }
  .numbers {
    font-variant-numeric: tabular-nums;
  }
  .card {
    background: var(--surface);
    border: 1px solid var(--line);
    border-radius: var(--radius);
  }
  .row {
    display: flex;
    flex-wrap: wrap;
    gap: 0.5rem 0.75rem;
    align-items: center;
  }
  button,
  .button {
    font: inherit;
    font-weight: 600;
    min-height: var(--touch);
    padding: 0.4rem 1rem;
    border-radius: var(--radius-small);
    border: 1px solid var(--line-strong);
    background: var(--surface);
    color: var(--ink);
    cursor: pointer;
    text-decoration: none;
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: 0.4rem;
  }
  /* A finger leaves its hover behind, where it would look like a choice. */
  @media (hover: hover) {
    button:hover:not(:disabled),
    .button:hover {
      background: var(--surface-quiet);
    }
  }
  .main {
    background: var(--accent);
    border-color: var(--accent);
    color: var(--on-accent);
  }
  button.main:hover:not(:disabled),
  .button.main:hover {
    background: var(--accent);
    box-shadow: 0 0 0 3px var(--accent-soft);
  }
  button.danger {
    color: var(--fault-ink);
    background: var(--fault-soft);
    border-color: currentcolor;
  }
  button.quiet {
    border-color: transparent;
    background: transparent;
    color: var(--accent);
  }
  button:disabled {
    cursor: default;
    opacity: 0.55;
  }
  :focus-visible {
    outline: 3px solid var(--accent);
    outline-offset: 2px;
  }
  label {
    display: block;
    font-weight: 600;
  }
  input,
  select,
  textarea {
    font: inherit;
    font-weight: 400;
    color: inherit;
    width: 100%;
    min-height: var(--touch);
    padding: 0.5rem 0.7rem;
    border-radius: var(--radius-small);
    border: 1px solid var(--line-strong);
    background: var(--ground);
  }
  input::placeholder {
    color: var(--ink-quiet);
    opacity: 1;
  }
  input[type='checkbox'] {
    width: 24px;
    height: 24px;
    min-height: 24px;
    flex: none;
    accent-color: var(--accent);
  }
  .note {
    border-radius: var(--radius-small);
    padding: var(--space-3) var(--space-4);
    background: var(--surface-quiet);
    color: var(--ink);
  }
  .note.bad {
    background: var(--fault-soft);
    color: var(--fault-ink);
  }
  .note.warn {
    background: var(--caution-soft);
    color: var(--caution-ink);
  }
  .note.good {
    background: var(--accent-soft);
    color: var(--accent-ink);
  }
  .note > button {
    margin-top: var(--space-3);
  }
  .note > .row {
    margin-top: var(--space-3);
  }
  .pill {
    display: inline-block;
    border-radius: var(--radius-round);
    padding: 0.05rem 0.6rem;
    font-size: 0.85rem;
    font-weight: 600;
    border: 1px solid transparent;
    white-space: nowrap;
  }
  .pill.present {
    background: var(--accent-soft);
    color: var(--accent-ink);
  }
  .pill.late {
    background: var(--caution-soft);
    color: var(--caution-ink);
  }
  .pill.absent {
    background: var(--fault-soft);
    color: var(--fault-ink);
  }
  .pill.excused {
    background: var(--surface-quiet);
    color: var(--ink);
  }
  .pill.expected,
  .pill.not_taken {
    color: var(--ink-quiet);
    border: 1px dashed var(--line-strong);
  }
  .hidden-words {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  .waiting {
    padding: 2rem 1rem;
    text-align: center;
    color: var(--ink-quiet);
  }
  .waiting::before {
    content: '';
    display: block;
    width: 28px;
    height: 28px;
    margin: 0 auto 0.7rem;
    border-radius: 50%;
    border: 3px solid var(--line);
    border-top-color: var(--accent);
    animation: turn 0.9s linear infinite;
  }
  @keyframes turn {
    to {
      transform: rotate(1turn);
    }
  }
  @media (prefers-reduced-motion: reduce) {
    * {
      animation: none !important;
      transition: none !important;
    }
  }
`

/** Of the element that is the page itself. */
export const wholePage = css`
  :host {
    min-height: 100dvh;
    background: var(--ground);
  }
  main {
    max-width: 68rem;
    margin: 0 auto;
    padding: 1rem 1rem 4rem;
  }
  @media (max-width: 32rem) {
    main {
      padding: 0.75rem 0.6rem 4rem;
    }
  }
`

export const waiting = (what: string): TemplateResult => html`<p class="waiting" role="status">${what}</p>`

/** What went wrong, with the way out. */
export const problemNote = (problem: string | undefined, again?: () => void): TemplateResult | typeof nothing =>
  problem === undefined
    ? nothing
    : html`<div class="note bad" role="alert">
        <p>${problem}</p>
        ${again ? html`<button @click=${again}>Try again</button>` : nothing}
      </div>`
