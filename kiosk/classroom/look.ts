/**
 * What every element of the kiosk's screen looks like before it looks like itself.
 *
 * [Note: Styles are set as properties] The page's policy is `style-src 'self'`: a style attribute is
 * refused, and Lit's styleMap writes one at its first rendering. So a computed style is bound as a
 * property, `.style=${'...'}`, which the policy allows.
 */
import { css } from 'lit'

export const look = css`
  :host {
    display: block;
    box-sizing: border-box;
    min-width: 0;
    min-height: 0;
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  h1,
  h2,
  p,
  ul,
  ol,
  dl,
  dd {
    margin: 0;
    padding: 0;
  }
  ul {
    list-style: none;
  }
  .name {
    text-align: left;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  button {
    min-width: var(--touch);
    min-height: var(--touch);
    padding: 0 0.7rem;
    border: 2px solid var(--line-strong);
    border-radius: var(--radius-small);
    background: var(--surface);
    color: var(--ink);
    font: inherit;
    font-weight: var(--weight-strong);
    cursor: inherit;
    touch-action: manipulation;
  }
  button:focus-visible {
    outline: 3px solid var(--accent);
    outline-offset: 2px;
  }
  .main {
    border-color: var(--accent);
    background: var(--accent);
    color: var(--on-accent);
  }
`

/** Of keys and names: where many stand close together, the one that is touched shows it. */
export const keyLook = css`
  button:active:not(:disabled) {
    background: var(--accent-soft);
    color: var(--accent-ink);
  }
`

/** Of why something was not done. */
export const problemLook = css`
  .problem {
    display: flex;
    align-items: center;
    gap: 0.6rem;
    padding: 0.5rem 0.8rem;
    border-radius: var(--radius-small);
    background: var(--caution-soft);
    color: var(--caution-ink);
    font-size: 1rem;
    line-height: 1.3;
    overflow-wrap: anywhere;
  }
`
