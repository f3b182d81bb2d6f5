//! Text to trees and back.

use proptest::prelude::*;
use spur_trace::filter::{Compare, Expr, Field, Filter, Term, Test};

use crate::trees::tree;

/// The plain form of a filter, which has to be read as the same.
#[track_caller]
fn check(text: &str, plain: &str) {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{}", error.drawn(text)));
    assert_eq!(filter.to_string(), plain, "{text}");
    assert_eq!(Filter::parse(plain).unwrap(), filter, "{plain}");
}

#[test]
fn filters_have_a_plain_form() {
    check("", "");
    check("  ", "");
    check("cart", "cart");
    check("a b & c and d && e", "a b c d e");
    check("a|b or c || d", "a | b | c | d");
    check("a b|c d", "a b | c d");
    check("a (b|c)", "a (b | c)");
    check("(a b) (c)", "(a b) c");
    check("not a !b !(c d)", "!a !b !(c d)");
    check("!!a", "!!a");
    check("svc:checkout&status>=500&!path:/health", "svc:checkout status>=500 !path:/health");
    check("status:5xx status=503 status:5+ status!=50x", "status:5xx status=503 status>=500 !status:50x");
    check("dur > 200ms dur:>1.5s dur<=2m age<1h", "dur>200ms dur>1500ms dur<=2m age<1h");
    check("size>64KiB size<1.5k size:0", "size>64KiB size<1500B size=0B");
    check("grpc:unavailable grpc!=OK", "grpc=14 !grpc=0");
    check("hop:lost hop=Fork hop!=base", "hop:lost hop:fork !hop:base");
    check("replay:true key:* key!=*", "replay:true key:* !key:*");
    check(r#"key="*" key="" """#, r#"key="*" key="" """#);
    check(r#"path~"^/cart/(\d+)$" path!~x"#, r#"path~"^/cart/(\\d+)$" !path~x"#);
}

#[test]
fn values_end_where_the_next_sign_begins() {
    check("path:/a?b=1", r#"path:"/a?b=1""#);
    check("svc:a>>svc:b", "svc:a >> svc:b");
    check("a >> b >> c", "a >> b >> c");
    check("a >> (b >> c)", "a >> (b >> c)");
    check("!a >> b", "!a >> b");
    check("(!a) >> b", "(!a) >> b");
    check("{svc:a status:5xx}>>svc:b c", "{svc:a status:5xx} >> svc:b c");
    check("req.X-Team:a attr.http.route:/x", "req.x-team:a attr.http.route:/x");
    check(r#""and" key:and "a:b""#, r#""and" key:and "a:b""#);
    check(r#"msg:"say \"hi\" \n""#, r#"msg:"say \"hi\" \\n""#);
}

#[test]
fn one_field_of_the_language_is_what_it_says() {
    let term = Term { field: Field::Status, test: Test::Number(Compare::AtLeast, 500) };
    assert_eq!(Filter::parse("status>=500").unwrap().expr(), Some(&Expr::Term(term)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn what_is_written_is_read_as_the_same(expr in tree()) {
        let filter = Filter::from(expr);
        let text = filter.to_string();
        prop_assert_eq!(Filter::parse(&text), Ok(filter), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_says_where_it_is_wrong(text in "[a-c(){}&|!:=<>~\"\\\\ *5+x.]{0,30}|\\PC{0,20}") {
        match Filter::parse(&text) {
            Ok(filter) => prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter)),
            Err(error) => {
                prop_assert!(text.is_char_boundary(error.offset), "{error:?}");
                prop_assert!(text.is_char_boundary(error.offset + error.len), "{error:?}");
                prop_assert!(error.drawn(&text).contains('^'));
            }
        }
    }
}
