# frozen_string_literal: true

# Answers questions with the real gem gitlab-experiment, in a real Rails request
# where there is one. It reads one JSON object a line and prints one a line.
# Needs Debian's ruby-gitlab-experiment, ruby-actionpack, ruby-globalid and
# ruby-redis.

$stdout.sync = true
Encoding.default_external = Encoding::UTF_8
Encoding.default_internal = nil

require 'json'
require 'logger'
require 'bigdecimal'
require 'active_support'
require 'active_support/all'
require 'active_support/key_generator'
require 'active_support/message_encryptor'
require 'active_support/messages/rotation_configuration'
require 'action_dispatch'
require 'action_dispatch/middleware/cookies'
require 'global_id'
require 'gitlab/experiment'

Gitlab::Experiment.configure do |config|
  config.logger = Logger.new(File::NULL)
  config.tracking_behavior = ->(_event, _args) {}
end

Record = Struct.new(:class_name, :id) do
  def to_global_id
    model = Class.new.tap { |c| n = class_name; c.define_singleton_method(:name) { n } }
    id = self.id
    object = model.new.tap { |o| o.define_singleton_method(:id) { id } }
    GlobalID.create(object, app: 'shop')
  end
end

def text(hex)
  [hex].pack('H*').force_encoding(Encoding::UTF_8)
end

# A value is [class, argument...].
def value(v)
  type, a, b, c = v
  case type
  when 'String' then text(a)
  when 'Symbol' then text(a).to_sym
  when 'Integer' then Integer(a, 10)
  when 'Float' then [a].pack('H*').unpack1('G')
  when 'nil' then nil
  when 'true' then true
  when 'false' then false
  when 'Date' then Date.new(a, b, c)
  when 'UTC' then Time.at(a).utc
  when 'Time' then Time.at(a).getlocal(b)
  when 'DateTime' then Time.at(a).getlocal(b).to_datetime
  when 'TimeWithZone' then Time.at(a).utc.in_time_zone(b)
  when 'BigDecimal' then BigDecimal(a)
  when 'Rational' then Rational(Integer(a, 10), Integer(b, 10))
  when 'Record' then Record.new(a, b)
  else raise ArgumentError, "unknown class #{type}"
  end
end

def pairs(list)
  list.to_h { |name, v| [text(name).to_sym, value(v)] }
end

def context(q)
  c = pairs(q['context'])
  c[:migrated_with] = pairs(q['migrated_with']) if q['migrated_with']
  c
end

def configure(q)
  Gitlab::Experiment.configure do |config|
    config.name_prefix = q['prefix'] && text(q['prefix'])
    config.context_key_secret = q['secret'] && text(q['secret'])
    config.default_rollout = Gitlab::Experiment::Rollout.resolve(:percent)
  end
end

CLASSES = {}

# The class of an experiment, whose behaviours return their names.
def experiment_class(q)
  CLASSES[q.values_at('rollout', 'distribution', 'include_control')] ||= begin
    options = { include_control: q['include_control'] ? true : false }
    options[:distribution] = q['distribution'] if q['distribution']
    Class.new(Gitlab::Experiment) do
      %i[control red blue].each { |name| variant(name) { name.to_s } }
      default_rollout (q['rollout'] || 'percent').to_sym, options
    end
  end
end

def instance(q, **context)
  experiment_class(q).new(q['name'], **context)
end

def rails_request(q)
  keys = ActiveSupport::CachingKeyGenerator.new(ActiveSupport::KeyGenerator.new(q['secret_key_base'], iterations: 1000))
  env = Rack::MockRequest.env_for('https://app.example.com/')
  env['HTTP_COOKIE'] = q['cookie'] if q['cookie']
  ActionDispatch::Request.new(
    env.merge(
      'action_dispatch.key_generator' => keys,
      'action_dispatch.signed_cookie_salt' => 'signed cookie',
      'action_dispatch.signed_cookie_digest' => 'SHA1',
      'action_dispatch.cookies_serializer' => :json,
      'action_dispatch.use_cookies_with_metadata' => true,
      'action_dispatch.cookies_rotations' => ActiveSupport::Messages::RotationConfiguration.new,
      'action_dispatch.cookies_same_site_protection' => proc { :lax }
    )
  )
end

def answer(q)
  configure(q)
  case q['ask']
  when 'version' then { version: Gitlab::Experiment::VERSION }
  when 'key'
    e = instance(q, **context(q))
    { key: e.context.signature[:key].unpack1('H*'), older: e.context.signature[:migration_keys] || [] }
  when 'visit' # a request with an actor, or without
    request = rails_request(q)
    e = instance(q, **context(q), request: request)
    response = ActionDispatch::Response.new
    signature = e.context.signature
    request.cookie_jar.write(response)
    { key: signature[:key].unpack1('H*'), older: signature[:migration_keys] || [],
      set_cookie: Array(response.headers['Set-Cookie']).flat_map { |h| h.split("\n") } }
  when 'redis' # use the Redis store there from now on
    require 'redis'
    redis = Redis.new(url: q['url'])
    Gitlab::Experiment.configure do |config|
      config.cache = Gitlab::Experiment::Cache::RedisHashStore.new(pool: ->(&block) { block.call(redis) })
    end
    { ok: true }
  when 'run'
    e = instance(q, **context(q))
    e.assigned(q['assign'].to_sym) if q['assign']
    { variant: e.run }
  else raise ArgumentError, "unknown question #{q['ask']}"
  end
end

$stdin.each_line do |line|
  result = begin
    answer(JSON.parse(line))
  rescue StandardError => e
    { error: "#{e.class}: #{e.message.lines.first}" }
  end
  puts JSON.generate(result)
end
