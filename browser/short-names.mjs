// Short names for the internal properties, those that begin with an underscore. Two that are never on one object may share a
// name: text of few names compresses better than text of many. What objects there are is read off the types.
import ts from "typescript-api";

/** In an order that makes the text compress well: letters that local names have too come first. */
const LETTERS = [..."etrnifcsluapdomhv$ybwkBqSNHPIxTMA_CZLRgKJFOGQVWXYEjzDU"];

const isInternal = (name) => /^_[a-z]/i.test(name);

/** For each internal property the others that may be on an object beside it, by the types of the program. */
function readNeighbours(program) {
  const checker = program.getTypeChecker();
  const neighbours = new Map();

  const known = new Map();
  const internalsOf = (type) => {
    if (!known.has(type)) {
      const names = type.isUnion()
        ? type.types.flatMap(internalsOf)
        : checker.getPropertiesOfType(type).map(({ name }) => name);
      known.set(type, names.filter(isInternal));
    }
    return known.get(type);
  };

  const record = (names) => {
    const together = new Set(names);
    for (const name of together) {
      if (!neighbours.has(name)) neighbours.set(name, new Set());
      for (const other of together) if (other !== name) neighbours.get(name).add(other);
    }
  };

  /** An object of one type is looked at as one of another: what it has is beside what is looked for. */
  const flows = (from, to, depth = 4) => {
    if (from === to || !depth) return;
    record([...internalsOf(from), ...internalsOf(to)]);
    // Array<Call> as Array<RequestFacts>.
    const [given, wanted] = [from, to].map((type) => checker.getTypeArguments(type) ?? []);
    given.forEach((argument, i) => {
      if (wanted[i]) flows(argument, wanted[i], depth - 1);
    });
    // (facts: RequestFacts) => void as (call: Call) => void: what it is called with is the latter.
    const [[run], [asked]] = [from, to].map((type) => checker.getNonNullableType(type).getCallSignatures());
    if (!run || !asked) return;
    flows(run.getReturnType(), asked.getReturnType(), depth - 1);
    const [taken, told] = [run, asked].map(({ parameters }) => parameters.map((one) => checker.getTypeOfSymbol(one)));
    taken.forEach((parameter, i) => {
      if (told[i]) flows(told[i], parameter, depth - 1);
    });
  };

  const visit = (node) => {
    if (ts.isExpression(node)) {
      const type = checker.getTypeAtLocation(node);
      record(internalsOf(type));
      const wanted = checker.getContextualType(node);
      if (wanted) flows(type, wanted);
      if (ts.isAsExpression(node)) {
        let given = node.expression;
        while (ts.isAsExpression(given)) given = given.expression;
        flows(checker.getTypeAtLocation(given), type);
      }
    }
    ts.forEachChild(node, visit);
  };
  for (const file of program.getSourceFiles()) if (!file.isDeclarationFile) visit(file);
  return neighbours;
}

/** What gives the internal properties of a bundle their names, to those that stand most often first. */
export function shortNames(files) {
  const { config } = ts.readConfigFile("tsconfig.build.json", ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ".");
  const neighbours = readNeighbours(ts.createProgram(files, options));
  return (bundle) => {
    const counts = {};
    for (const [name] of bundle.matchAll(/\b_[a-z]\w*\b/gi)) counts[name] = (counts[name] ?? 0) + 1;
    const short = {};
    for (const name of Object.keys(counts).sort((a, b) => counts[b] - counts[a])) {
      // What the types do not know, as of a library, may be anywhere.
      const others = neighbours.get(name) ?? Object.keys(short);
      const taken = new Set([...others].map((other) => short[other]));
      short[name] = LETTERS.find((letter) => !taken.has(letter));
      if (!short[name])
        throw new Error(`${name} is one of more than ${LETTERS.length} internal properties of an object`);
    }
    return short;
  };
}
