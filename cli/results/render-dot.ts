import type {Plan} from '../../api/options.ts';

/** The graph of a plan in the language of Graphviz; what would run is drawn with a bold line. */
export function renderDot({steps}: Plan): string[] {
  const nodes = steps.map(({step, action, from, variants = []}) => {
    const label = [
      step,
      ...(variants.length > 1 ? [`${variants.length} variants`] : []),
      ...(from ? [from] : []),
    ];
    const style = action === 'run' ? 'bold' : 'solid';
    return `  ${quote(step)} [label=${quote(label.join('\n'))}, style=${style}];`;
  });
  const edges = steps.flatMap(({step, needs}) => needs.map((need) => `  ${quote(need)} -> ${quote(step)};`));
  return ['digraph plan {', '  rankdir=LR;', '  node [shape=box];', ...nodes, ...edges, '}'];
}

function quote(text: string): string {
  return JSON.stringify(text);
}
