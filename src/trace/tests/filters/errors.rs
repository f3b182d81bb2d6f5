//! What is wrong with a filter, drawn for people.

use spur_trace::filter::Filter;

fn drawn(text: &str) -> String {
    Filter::parse(text).expect_err("this is wrong").drawn(text)
}

#[test]
fn mistakes_are_pointed_at() {
    let texts = [
        "svc:a & statu>=500",
        "foo:bar",
        "status:",
        "svc: (a)",
        "status:abc",
        "status>5xx",
        "dur>200",
        "svc>a",
        "hop:forked",
        "hop>fork",
        "path~\"(a\"",
        "path~(a|b)",
        "status~5",
        "(a b",
        "a )",
        "a |",
        "& a",
        "{}",
        "key:\"a",
        ">=500",
        "a >>",
        ">> a",
    ];
    let all: Vec<String> = texts.iter().map(|text| drawn(text)).collect();
    insta::assert_snapshot!(all.join("\n\n"), @r#"
    svc:a & statu>=500
            ^^^^^ unknown field `statu`
    hint: did you mean `status`?

    foo:bar
    ^^^ unknown field `foo`
    hint: to find the text as it is, put it in quotes

    status:
           ^ wanted a value for `status`
    hint: `status:*` finds any value; quote one with spaces or one of `&|(){}`

    svc: (a)
        ^ wanted a value for `svc`
    hint: `svc:*` finds any value; quote one with spaces or one of `&|(){}`

    status:abc
           ^^^ `abc` is not what `status` holds: wanted a status such as `503`, `5xx` or `5+`

    status>5xx
           ^^^ `5xx` is many statuses already
    hint: compare with one, as in `status>=500`

    dur>200
        ^^^ `200` is not what `dur` holds: wanted a duration such as `200ms`, `1.5s` or `2m`

    svc>a
        ^ `svc` is a text and has no order
    hint: texts take `:`, `=`, `!=`, `~` and `!~`

    hop:forked
        ^^^^^^ `forked` is not what `hop` holds: wanted one of `fork`, `base`, `split`, `lost`, `error`

    hop>fork
        ^^^^ `hop` has no order
    hint: write `hop:fork`

    path~"(a"
         ^^^^ `(a` is no regular expression: unclosed group
    hint: an expression with spaces or one of `&|(){}` goes in quotes

    path~(a|b)
         ^ wanted a value for `path`
    hint: `path:*` finds any value; quote one with spaces or one of `&|(){}`

    status~5
           ^ `5` is not what `status` holds: wanted a status such as `503`, `5xx` or `5+`

    (a b
    ^ nothing closes this: wanted `)`

    a )
      ^ found `)`, wanted a filter that goes on with `&`, `|` or a term

    a |
       ^ the filter ends where a term was wanted
    hint: such as `status>=500`, `svc:checkout` or a word

    & a
    ^ found `&`, wanted a term

    {}
     ^ found `}`, wanted a term
    hint: a bracket closes what was opened, with something in it

    key:"a
        ^ this quote is not closed
    hint: close it with `"`

    >=500
    ^ wanted a field before `>`
    hint: write `status>=500`, or quote what is to be found as it is

    a >>
        ^ the filter ends where a term was wanted
    hint: such as `status>=500`, `svc:checkout` or a word

    >> a
    ^^ found `>>`, wanted a term
    "#);
}

#[test]
fn filters_are_bounded_in_length_and_depth() {
    let deep = |n: usize| format!("{}a{}", "(".repeat(n), ")".repeat(n));
    assert!(Filter::parse(&deep(Filter::MAX_DEPTH)).is_ok());
    assert!(drawn(&deep(Filter::MAX_DEPTH + 1)).contains("more than 64 levels"));
    assert!(drawn(&format!("{}a", "!".repeat(Filter::MAX_DEPTH + 1))).contains("more than 64 levels"));
    assert!(drawn(&vec!["a"; Filter::MAX_DEPTH + 2].join(">>")).contains("more than 64 levels"));
    assert!(drawn(&"a ".repeat(Filter::MAX_BYTES)).contains("over 4096"));
    assert!(
        Filter::parse(&"a ".repeat(Filter::MAX_BYTES / 2)).is_ok(),
        "what stands side by side is not deep"
    );
    assert!(drawn(r#"path~"(\\w{1,500}){1,500}""#).contains("takes more than"));
}
