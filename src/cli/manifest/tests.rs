use super::*;

fn fault(text: &str) -> String {
    parse("shop.yaml", text).unwrap_err().to_string()
}

fn order(text: &str) -> Vec<String> {
    let mut all = parse("shop.yaml", text).unwrap();
    sort(&mut all);
    all.iter().map(|manifest| format!("{} {}", manifest.kind.kind, meta::name(&manifest.object))).collect()
}

#[test]
fn broken_yaml_names_file_line_and_column() {
    insta::assert_snapshot!(fault("a: 1\nb: [1,\n"), @"shop.yaml:2:4: unclosed bracket '['");
    insta::assert_snapshot!(fault("kind: Pod\nkind: Pod\n"), @"shop.yaml:2:1: duplicate mapping key: kind");
    insta::assert_snapshot!(fault("a: b\n\tc: d\n"), @"shop.yaml:1:4: while scanning a plain scalar, found a tab");
}

#[test]
fn a_document_that_is_no_object_is_named() {
    insta::assert_snapshot!(fault("- 1"), @"shop.yaml: found no object, want a map with `apiVersion` and `kind`");
    insta::assert_snapshot!(fault("kind: Pod"), @"shop.yaml: `apiVersion` is missing");
    insta::assert_snapshot!(fault("{apiVersion: v1, kind: Pod, metadata: {name: a}}\n---\napiVersion: v1\nkind: Pod"), @"shop.yaml, document 2: `metadata.name` is missing");
    insta::assert_snapshot!(fault("# nothing"), @"`shop.yaml` holds no object");
}

#[test]
fn a_kind_that_is_not_served_is_named_with_what_is() {
    let error = parse("x.yaml", "{apiVersion: batch/v2, kind: Cron, metadata: {name: nightly}}").unwrap_err();
    insta::assert_snapshot!(error, @"x.yaml: `Cron` of `batch/v2` is no kind that spur serves (object `nightly`)");
    let error =
        parse("x.yaml", "{apiVersion: apps/v1beta1, kind: Deployment, metadata: {name: a}}").unwrap_err();
    insta::assert_snapshot!(error.hint().unwrap(), @"write `apiVersion: apps/v1` and `kind: Deployment`");
}

#[test]
fn what_others_need_comes_first() {
    let text = "
{apiVersion: spur.dev/v1alpha1, kind: Sandbox, metadata: {name: s}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: b}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: x}}
- {apiVersion: v1, kind: Secret, metadata: {name: x}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: n}}
";
    let expected = ["Namespace n", "Secret x", "Service x", "Deployment b", "Deployment a", "Sandbox s"];
    assert_eq!(order(text), expected);
}

#[test]
fn a_directory_gives_its_files_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, object: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {object}}}}}");
        std::fs::write(path, text).unwrap();
    };
    write("b.yaml", "b");
    write("a.json", "a");
    write("notes.txt", "never");
    write("below/c.yml", "c");
    let path = directory.path().display().to_string();
    let names = |depth| {
        let all = read_all(&[&path], depth).unwrap();
        all.iter().map(|manifest| meta::name(&manifest.object).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(Depth::Flat), ["a", "b"]);
    assert_eq!(names(Depth::Recursive), ["a", "b", "c"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = read_all(&["/nowhere/shop.yaml"], Depth::Flat).unwrap_err();
    let shown = format!("{:#}", anyhow::Error::new(error));
    assert_eq!(shown, "failed to read `/nowhere/shop.yaml`: No such file or directory (os error 2)");
}
