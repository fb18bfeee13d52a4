# Kubeclient, the Kubernetes client for Ruby, unchanged, against one server of ours: KUBECONFIG says which.
require 'kubeclient'
require 'test/unit'
require 'yaml'

NAMESPACE = 'ruby'.freeze
PATIENCE_SECONDS = 60
CLUSTER_WIDE = %w[Namespace Node PersistentVolume IngressClass RuntimeClass ClusterRole ClusterRoleBinding PriorityClass
                  StorageClass CSIDriver CSINode VolumeAttachment ValidatingWebhookConfiguration
                  MutatingWebhookConfiguration].freeze

class KubeclientTest < Test::Unit::TestCase
  def context
    @context ||= Kubeclient::Config.read(ENV.fetch('KUBECONFIG')).context
  end

  def client(path = '', version = 'v1', auth: context.auth_options, ssl: context.ssl_options)
    Kubeclient::Client.new(context.api_endpoint + path, version, ssl_options: ssl, auth_options: auth)
  end

  def setup
    @core = client
    @core.create_namespace(resource(NAMESPACE)) if refused(404) { @core.get_namespace(NAMESPACE) }
    within('the default account') { refused(404) { @core.get_service_account('default', NAMESPACE) }.nil? }
  end

  def resource(name, more = {})
    Kubeclient::Resource.new({ metadata: { name: name } }.merge(more))
  end

  def config_map(name, data = {}, labels = nil)
    Kubeclient::Resource.new(apiVersion: 'v1', kind: 'ConfigMap', data: data,
                             metadata: { name: name, namespace: NAMESPACE, labels: labels }.compact)
  end

  def within(what)
    ends = Process.clock_gettime(Process::CLOCK_MONOTONIC) + PATIENCE_SECONDS
    until (result = yield)
      flunk("not within the time: #{what}") if Process.clock_gettime(Process::CLOCK_MONOTONIC) > ends
      sleep(0.02)
    end
    result
  end

  # The error that a request ends with, or nil.
  def refused(code)
    yield
    nil
  rescue Kubeclient::HttpError => e
    assert_equal(code, e.error_code, e.message)
    e
  end

  def test_discovery
    assert_equal(true, @core.api_valid?)
    assert_equal(['v1'], @core.api['versions'])
    assert_equal(true, client('/apis/apps').api_valid?)
    %i[get_pods get_endpoints watch_services create_persistent_volume_claim get_component_status].each do |name|
      assert_respond_to(@core, name)
    end
    groups = JSON.parse(RestClient::Resource.new("#{context.api_endpoint}/apis", rest_options).get.body)['groups']
    groups.each do |group|
      kinds = client("/apis/#{group['name']}", group['preferredVersion']['version'])
      kinds.discover
      kinds.all_entities.each { |name, list| assert_kind_of(Kubeclient::Common::EntityList, list, name) }
    end
    assert_operator(@core.all_entities.size, :>=, 14)
  end

  def rest_options
    ssl = context.ssl_options
    { ssl_client_cert: ssl[:client_cert], ssl_client_key: ssl[:client_key], ssl_cert_store: ssl[:cert_store],
      verify_ssl: ssl[:verify_ssl] }
  end

  def test_an_object_is_created_read_replaced_and_deleted
    made = @core.create_config_map(config_map('whole', { a: '1' }))
    assert_not_nil(made.metadata.uid)
    read = @core.get_config_map('whole', NAMESPACE)
    read.data.a = '2'
    changed = @core.update_config_map(read)
    assert_equal('2', changed.data.a)
    conflict = refused(409) { @core.update_config_map(read) }
    assert_match(/the object has been modified/, conflict.message)
    gone = @core.delete_config_map('whole', NAMESPACE)
    assert_equal('Success', gone.status)
    assert_raise(Kubeclient::ResourceNotFoundError) { @core.get_config_map('whole', NAMESPACE) }
    assert_equal('configmaps "whole" not found', refused(404) { @core.get_config_map('whole', NAMESPACE) }.message)
  end

  def test_every_form_of_patch
    @core.create_config_map(config_map('patched', { a: '1' }))
    body = @core.json_patch_config_map('patched', [{ op: 'add', path: '/data/b', value: '2' }], NAMESPACE)
    assert_equal({ a: '1', b: '2' }, body.data.to_h)
    body = @core.merge_patch_config_map('patched', { data: { a: nil } }, NAMESPACE)
    assert_equal({ b: '2' }, body.data.to_h)
    body = @core.patch_config_map('patched', { metadata: { labels: { l: 'x' } } }, NAMESPACE)
    assert_equal('x', body.metadata.labels.l)
  end

  def test_apply
    body = @core.apply_config_map(config_map('applied', { a: '1' }).to_h, field_manager: 'one')
    assert_equal(%w[one Apply], [body.metadata.managedFields[0].manager, body.metadata.managedFields[0].operation])
    other = config_map('applied', { a: '2' }).to_h
    conflict = refused(409) { @core.apply_config_map(other, field_manager: 'two', force: false) }
    assert_match(/conflict with "one": \.data\.a/, conflict.message)
    assert_equal('2', @core.apply_config_map(other, field_manager: 'two').data.a)
    service = { metadata: { name: 'applied', namespace: NAMESPACE }, apiVersion: 'v1', kind: 'Service',
                 spec: { ports: [{ port: 80 }] } }
    assert_equal('TCP', @core.apply_service(service, field_manager: 'one').spec.ports[0].protocol)
  end

  def test_lists_are_paged_and_selected
    5.times { |i| @core.create_config_map(config_map("page-#{i}", {}, list: 'pages')) }
    names = []
    page = nil
    begin
      page = @core.get_config_maps(namespace: NAMESPACE, label_selector: 'list=pages', limit: 2,
                                   continue: page&.continue)
      names += page.map { |item| item.metadata.name }
    end until page.last?
    assert_equal((0..4).map { |i| "page-#{i}" }, names)
    assert_not_nil(page.resourceVersion)
    one = @core.get_config_maps(namespace: NAMESPACE, field_selector: 'metadata.name=page-3')
    assert_equal(['page-3'], one.map { |item| item.metadata.name })
    raw = @core.get_config_maps(namespace: NAMESPACE, as: :parsed)
    assert_equal('ConfigMapList', raw['kind'])
  end

  # It watches by the older paths, /api/v1/watch/...
  def test_watches
    version = @core.get_pods(namespace: NAMESPACE).resourceVersion
    pod = { metadata: { name: 'watched', namespace: NAMESPACE, labels: { watched: 'yes' } },
            spec: { schedulerName: 'nobody', containers: [{ name: 'c', image: 'i' }] } }
    seen = []
    thread = Thread.new do
      watcher = @core.watch_pods(namespace: NAMESPACE, resource_version: version, label_selector: 'watched')
      watcher.each do |notice|
        seen << [notice.type, notice.object.metadata.name]
        watcher.finish if notice.type == 'DELETED'
      end
    end
    @core.create_pod(Kubeclient::Resource.new(pod))
    @core.merge_patch_pod('watched', { metadata: { annotations: { a: 'b' } } }, NAMESPACE)
    @core.delete_pod('watched', NAMESPACE, delete_options: { gracePeriodSeconds: 0 })
    assert_not_nil(thread.join(PATIENCE_SECONDS), 'the watch has not told all')
    assert_equal(%w[ADDED MODIFIED MODIFIED DELETED].map { |type| [type, 'watched'] }, seen) # Its removal is a change.
    one = @core.watch_config_maps(namespace: NAMESPACE, name: 'kube-root-ca.crt')
    one.each do |notice|
      assert_equal(%w[ADDED kube-root-ca.crt], [notice.type, notice.object.metadata.name])
      one.finish
    end
  end

  def test_every_kind
    YAML.load_stream(File.read(File.join(__dir__, '..', 'objects.yaml')), symbolize_names: true).each do |manifest|
      next if manifest[:kind] == 'APIService' # Its name is no free one.

      group, version = ['', *manifest[:apiVersion].split('/')].last(2)
      path = group.empty? ? '' : "/apis/#{group}"
      kinds = client(path, version)
      kinds.discover
      name = kinds.instance_variable_get(:@entities).find { |_, entity| entity.entity_type == manifest[:kind] }.first
      check(kinds, name, manifest, CLUSTER_WIDE.include?(manifest[:kind]) ? nil : NAMESPACE)
    end
  end

  def check(kinds, kind, manifest, namespace)
    name = "ruby-#{manifest[:metadata][:name]}"
    manifest[:metadata] = { name: name, namespace: namespace }.compact
    kinds.public_send("create_#{kind}", Kubeclient::Resource.new(manifest))
    read = kinds.public_send("get_#{kind}", name, namespace)
    assert_equal([manifest[:kind], name], [read.kind, read.metadata.name])
    again = within("#{kind} written back") do
      kinds.public_send("update_#{kind}", kinds.public_send("get_#{kind}", name, namespace))
    rescue Kubeclient::HttpError => e
      raise unless e.error_code == 409
    end
    assert_equal(read.metadata.uid, again.metadata.uid)
    kinds.public_send("merge_patch_#{kind}", name, { metadata: { labels: { a: 'b' } } }, namespace)
    kinds.public_send("delete_#{kind}", name, namespace, delete_options: { gracePeriodSeconds: 0 })
  end

  def test_scales_and_owned_objects
    apps = client('/apis/apps')
    deployment = { metadata: { name: 'owner', namespace: NAMESPACE },
                   spec: { replicas: 1, selector: { matchLabels: { of: 'owner' } },
                           template: { metadata: { labels: { of: 'owner' } },
                                       spec: { containers: [{ name: 'c', image: 'i' }] } } } }
    apps.create_deployment(Kubeclient::Resource.new(deployment))
    pods = -> { @core.get_pods(namespace: NAMESPACE, label_selector: 'of=owner') }
    within('the pod') { pods.call.size == 1 }
    apps.delete_deployment('owner', NAMESPACE, delete_options: { propagationPolicy: 'Background' })
    within('its end') { pods.call.empty? }
  end

  def test_custom_objects
    definitions = client('/apis/apiextensions.k8s.io')
    definitions.create_custom_resource_definition(
      resource('toys.ruby.example',
               spec: { group: 'ruby.example', scope: 'Namespaced', names: { plural: 'toys', kind: 'Toy' },
                       versions: [{ name: 'v1', served: true, storage: true,
                                    schema: { openAPIV3Schema: { type: 'object',
                                                                 'x-kubernetes-preserve-unknown-fields': true } } }] })
    )
    toys = within('the kind') do
      found = client('/apis/ruby.example')
      found.respond_to?(:get_toys) && found
    rescue Kubeclient::ResourceNotFoundError
      nil
    end
    toys.create_toy(resource('t', metadata: { name: 't', namespace: NAMESPACE }, spec: { size: 1 }))
    toys.merge_patch_toy('t', { spec: { size: 2 } }, NAMESPACE)
    assert_equal(2, toys.get_toy('t', NAMESPACE).spec.size)
    assert_equal(415, refused(415) { toys.patch_toy('t', { spec: {} }, NAMESPACE) }.error_code)
    assert_equal(1, toys.get_toys(namespace: NAMESPACE).size)
  end

  def test_who_shows_a_wrong_token_is_refused
    ssl = context.ssl_options.reject { |name, _| %i[client_cert client_key].include?(name) }
    wrong = client(auth: { bearer_token: 'nonsense' }, ssl: ssl)
    assert_equal(401, refused(401) { wrong.get_entities('Pod', 'pods') }.error_code)
  end

  def test_a_log_that_is_not_there
    error = refused(404) { @core.get_pod_log('none', NAMESPACE) }
    assert_equal('pods "none" not found', error.message)
  end
end
