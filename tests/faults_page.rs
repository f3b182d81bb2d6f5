//! `docs/faults.md` against the tests it names: every row of the list is there, every test it
//! names exists, and says itself which row it is for.

use std::path::Path;

/// Every row that the page answers.
fn ids() -> Vec<String> {
    let store = (1..=15).map(|n| format!("ST-{n}"));
    let api = (1..=6).chain(15..=18).map(|n| format!("AP-{n}"));
    let proxy = (1..=15).map(|n| format!("PX-{n}"));
    store.chain(api).chain(proxy).collect()
}

fn read(path: &str) -> Result<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).map_err(|error| format!("`{}`: {error}", path.display()))
}

/// The page's rows: an id, and the tests as `path::name`.
fn rows(page: &str) -> Vec<(&str, Vec<&str>)> {
    // What comes below the first table is about what is not so.
    let table = page.split("\n## ").next().unwrap_or(page);
    let cells = table.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = cells.filter_map(|line| {
        let mut cells = line.split(" | ");
        let (id, _what, tests) = (cells.next()?, cells.next()?, cells.next()?);
        id.starts_with(['S', 'A', 'P']).then_some((id, tests))
    });
    // Every second part of what backquotes divide stands between two of them.
    rows.map(|(id, tests)| (id, tests.split('`').skip(1).step_by(2).collect())).collect()
}

/// Whether the test is in its file, with the id in the comment above it.
fn check(id: &str, test: &str) -> Result<(), String> {
    let (path, name) = test.split_once("::").ok_or_else(|| format!("{id}: `{test}` is no path::name"))?;
    let text = read(path).map_err(|error| format!("{id}: {error}"))?;
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    // A function, or a case of a test binary that lists its own.
    let (function, case) = (format!("fn {name}("), format!("\"{name}\""));
    let is_it = |line: &&str| line.contains(&function) || line.contains(&case);
    let place = lines.iter().position(is_it).ok_or_else(|| format!("{id}: no `{name}` in `{path}`"))?;
    let above = lines[..place].iter().rev().take_while(|line| line.starts_with(['/', '#']));
    let is_named = above.into_iter().any(|line| {
        let words = line.trim_start_matches('/').trim_start();
        words.strip_prefix(id).is_some_and(|rest| rest.starts_with([':', ',']))
    });
    if is_named {
        Ok(())
    } else {
        Err(format!("{id}: the comment of `{name}` in `{path}` does not begin with it"))
    }
}

#[test]
fn every_row_is_there_and_names_tests_that_exist() {
    let page = read("docs/faults.md").expect("the page");
    let rows = rows(&page);
    let found: Vec<&str> = rows.iter().map(|(id, _)| *id).collect();
    assert_eq!(found, ids(), "each row once, in order");
    let mut faults = Vec::new();
    for (id, tests) in &rows {
        if tests.is_empty() {
            faults.push(format!("{id}: no test"));
        }
        faults.extend(tests.iter().filter_map(|test| check(id, test).err()));
    }
    assert!(faults.is_empty(), "docs/faults.md:\n{}", faults.join("\n"));
}

#[test]
fn what_is_not_there_is_noticed() {
    let here = "tests/faults_page.rs::what_is_not_there_is_noticed";
    assert!(check("ST-1", here).unwrap_err().contains("does not begin with it"));
    assert!(
        check("ST-1", "tests/faults_page.rs::no_such_test_anywhere_").unwrap_err().contains("no `no_such")
    );
    assert!(check("ST-1", "tests/no_such_file.rs::x").is_err());
    assert!(check("ST-1", "x").is_err());
    let page = "| ST-1 | what | `a::b`, `c::d` |\n| other | table | x |\n| AP-2 | none | – |\n";
    assert_eq!(rows(page), [("ST-1", vec!["a::b", "c::d"]), ("AP-2", vec![])]);
}
