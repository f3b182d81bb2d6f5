//! One object of every kind, as people handle them.

use crate::harness::Spur;
use crate::kubectl::run;

const EVERY_KIND: &str = "fixtures/manifests/every-kind.yaml";

/// What `get -o wide` prints: the resource, the header, what stands in the row.
const TABLES: &[(&str, &str, &[&str])] = &[
    ("endpoints/ext", "NAME ENDPOINTS AGE", &["10.0.0.1:5432,10.0.0.2:5432"]),
    ("limits/bounds", "NAME CREATED AT", &[]),
    (
        "pv/pv1",
        "NAME CAPACITY ACCESS MODES RECLAIM POLICY STATUS CLAIM STORAGECLASS VOLUMEATTRIBUTESCLASS REASON AGE VOLUMEMODE",
        &["5Gi", "RWO", "Retain", "Filesystem"],
    ),
    (
        "pvc/data",
        "NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE VOLUMEMODE",
        &["Bound", "fast", "<unset>"],
    ),
    ("podtemplates/tpl", "NAME CONTAINERS IMAGES POD LABELS", &["nginx:1", "app=tpl"]),
    ("rc/rc1", "NAME DESIRED CURRENT READY AGE CONTAINERS IMAGES SELECTOR", &["app=rc1"]),
    ("quota/quota", "NAME REQUEST LIMIT AGE", &[]),
    ("controllerrevisions/db-1", "NAME CONTROLLER REVISION AGE", &["<none>"]),
    (
        "ds/agent",
        "NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE CONTAINERS IMAGES SELECTOR",
        &["app=agent"],
    ),
    ("sts/db", "NAME READY AGE CONTAINERS IMAGES", &["postgres:16"]),
    ("jobs/load", "NAME STATUS COMPLETIONS DURATION AGE CONTAINERS IMAGES SELECTOR", &["load:1"]),
    (
        "cj/nightly",
        "NAME SCHEDULE TIMEZONE SUSPEND ACTIVE LAST SCHEDULE AGE CONTAINERS IMAGES SELECTOR",
        &["0 3 * * *", "False", "report:1"],
    ),
    ("hpa/web", "NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE", &["Deployment/web", "/70%"]),
    ("hpa/old", "NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE", &["cpu: <unknown>/60%"]),
    ("ing/shop", "NAME CLASS HOSTS ADDRESS PORTS AGE", &["nginx", "shop.example.com", "80, 443"]),
    ("ingressclasses/nginx", "NAME CONTROLLER PARAMETERS AGE", &["k8s.io/ingress-nginx", "<none>"]),
    ("netpol/deny", "NAME POD-SELECTOR AGE", &["app=db"]),
    ("ip/10.96.0.10", "NAME PARENTREF", &["services/default/web"]),
    ("servicecidrs/extra", "NAME CIDRS AGE", &["10.96.0.0/16"]),
    ("pdb/db", "NAME MIN AVAILABLE MAX UNAVAILABLE ALLOWED DISRUPTIONS AGE", &["N/A"]),
    ("leases/leader", "NAME HOLDER AGE", &[]),
    (
        "events/web.old",
        "LAST SEEN TYPE REASON OBJECT SUBOBJECT SOURCE MESSAGE FIRST SEEN COUNT NAME",
        &["pod/web", "kubelet, n1", "web.old"],
    ),
    (
        "events.events.k8s.io/web.old",
        "LAST SEEN TYPE REASON OBJECT SUBOBJECT SOURCE MESSAGE FIRST SEEN COUNT NAME",
        &["pod/web", "kubelet, n1", "web.old"],
    ),
    ("roles/app:reader", "NAME CREATED AT", &[]),
    ("rolebindings/app:reader", "NAME ROLE AGE USERS GROUPS SERVICEACCOUNTS", &["ann", "default/bot"]),
    ("clusterroles/ops:metrics", "NAME CREATED AT", &[]),
    ("clusterrolebindings/ops:metrics", "NAME ROLE AGE USERS GROUPS SERVICEACCOUNTS", &["ops"]),
    ("pc/high", "NAME VALUE GLOBAL-DEFAULT AGE PREEMPTIONPOLICY", &["1000", "PreemptLowerPriority"]),
    ("runtimeclasses/gvisor", "NAME HANDLER AGE", &["runsc"]),
    (
        "sc/fast",
        "NAME PROVISIONER RECLAIMPOLICY VOLUMEBINDINGMODE ALLOWVOLUMEEXPANSION AGE",
        &["fast (default)", "Delete", "Immediate", "true"],
    ),
    (
        "csidrivers/disk.example.com",
        "NAME ATTACHREQUIRED PODINFOONMOUNT STORAGECAPACITY TOKENREQUESTS REQUIRESREPUBLISH MODES AGE",
        &["<unset>", "Persistent"],
    ),
    ("csinodes/n1", "NAME DRIVERS AGE", &[]),
    ("csistoragecapacities/cap", "NAME STORAGECLASSNAME CAPACITY", &["100Gi"]),
    ("volumeattachments/att", "NAME ATTACHER PV NODE ATTACHED AGE", &["pv1", "false"]),
    ("vac/gold", "NAME DRIVERNAME AGE", &["disk.example.com"]),
    ("csr/ann", "NAME AGE SIGNERNAME REQUESTOR REQUESTEDDURATION CONDITION", &["24h", "Pending"]),
    (
        "apiservices/v1beta1.custom.metrics.k8s.io",
        "NAME SERVICE AVAILABLE AGE",
        &["kube-system/metrics-adapter"],
    ),
    ("validatingwebhookconfigurations/check", "NAME WEBHOOKS AGE", &[]),
    ("mutatingwebhookconfigurations/change", "NAME WEBHOOKS AGE", &[]),
    ("validatingadmissionpolicies/small", "NAME VALIDATIONS PARAMKIND AGE", &["<unset>"]),
    ("validatingadmissionpolicybindings/small", "NAME POLICYNAME PARAMREF AGE", &["<unset>"]),
    ("mutatingadmissionpolicies/label", "NAME MUTATIONS PARAMKIND AGE", &["<unset>"]),
    ("mutatingadmissionpolicybindings/label", "NAME POLICYNAME PARAMREF AGE", &["*/p"]),
    ("crd/widgets.example.com", "NAME CREATED AT", &[]),
];

/// Kinds that some kubectl describes by a version that is not stable (1.32: all of these, 1.33: the first).
const NOT_DESCRIBED: [&str; 3] = ["vac/gold", "ip/10.96.0.10", "servicecidrs/extra"];

pub(crate) async fn every_kind() {
    let spur = Spur::up().start().await;
    run(&spur, &["apply", "-f", EVERY_KIND]).await.ok();
    run(&spur, &["apply", "-f", EVERY_KIND]).await.ok();
    for (object, header, cells) in TABLES {
        let table = run(&spur, &["get", object, "-o", "wide"]).await.ok();
        let found = table.stdout.lines().next().unwrap_or_default();
        assert_eq!(found.split_whitespace().collect::<Vec<_>>().join(" "), *header, "{object}");
        table.prints(cells);
        if !NOT_DESCRIBED.contains(object) {
            run(&spur, &["describe", object]).await.ok();
        }
        let kind = object.split('/').next().unwrap_or_default();
        match kind.strip_prefix("events.") {
            Some(_) => run(&spur, &["explain", "events", "--api-version=events.k8s.io/v1"]).await.ok(),
            None => run(&spur, &["explain", kind]).await.ok(),
        }
        .prints(&["FIELDS:", "metadata"]);
        run(&spur, &["patch", object, "-p", r#"{"metadata": {"labels": {"team": "blue"}}}"#]).await.ok();
    }
    run(&spur, &["get", "all"]).await.ok().prints(&[
        "replicationcontroller/rc1",
        "statefulset.apps/db",
        "daemonset.apps/agent",
        "horizontalpodautoscaler.autoscaling/web",
        "cronjob.batch/nightly",
        "job.batch/load",
    ]);
    run(&spur, &["scale", "rc/rc1", "sts/db", "--replicas=1"]).await.ok();
    run(&spur, &["delete", "-f", EVERY_KIND, "--ignore-not-found", "--timeout=60s"]).await.ok();
    spur.end().await;
}

pub(crate) async fn two_versions() {
    let spur = Spur::up().start().await;
    run(&spur, &["apply", "-f", EVERY_KIND]).await.ok();
    let of_v1 = "horizontalpodautoscalers.v1.autoscaling";
    let percent = r#"{"spec": {"targetCPUUtilizationPercentage": 55}}"#;
    run(&spur, &["patch", of_v1, "web", "--type=merge", "-p", percent]).await.ok();
    let metrics = "jsonpath={.spec.metrics[?(@.type=='Resource')].resource.target.averageUtilization}";
    run(&spur, &["get", "hpa", "web", "-o", metrics]).await.ok().prints(&["55"]);
    let note = "jsonpath={.note} {.regarding.kind}";
    run(&spur, &["get", "events.events.k8s.io", "web.old", "-o", note])
        .await
        .ok()
        .prints(&["Started container Pod"]);
    run(&spur, &["get", "events.v1.", "web.new", "-o", "jsonpath={.message}"])
        .await
        .ok()
        .prints(&["scaled up"]);
    run(&spur, &["delete", "events.events.k8s.io", "web.old"]).await.ok();
    run(&spur, &["get", "events.v1.", "web.old"]).await.code(1).tells(&["not found"]);
    spur.end().await;
}

pub(crate) async fn refusals() {
    let spur = Spur::up().start().await;
    let apply = async |text: &str| {
        let file = spur.data().write("wrong.yaml", text).display().to_string();
        run(&spur, &["apply", "-f", &file]).await.code(1)
    };
    let template = "template: {spec: {containers: [{name: a, image: a}]}}";
    apply(&format!(
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: bad}}\n\
         spec: {{schedule: often, jobTemplate: {{spec: {{{template}}}}}}}\n"
    ))
    .await
    .tells(&[
        r#"spec.schedule: Invalid value: "often": expected exactly 5 fields, found 1: [often]"#,
        r#"restartPolicy: Unsupported value: "Always": supported values: "OnFailure", "Never""#,
    ]);
    apply("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: bad}\nspec: {}\n")
        .await
        .tells(&["either `defaultBackend` or `rules` must be specified"]);
    apply(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: bad}\n\
         roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Robot, name: x}\n",
    )
    .await
    .tells(&[r#"roleRef.kind: Unsupported value: "Robot": supported values: "ClusterRole", "Role""#]);
    spur.end().await;
}
